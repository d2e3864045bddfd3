//! The section `[smtp]`: where mail comes in, and what the edge allows.

use super::listeners::{Address, Listener};
use super::secure::{SmtpAuth, SmtpTls, SmtpUser};
use super::values::{Size, Span};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The SMTP listeners and their limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// The main door.
    pub listen: Address,
    /// Further doors.
    pub listeners: Vec<Listener>,
    /// Our name in the greeting.
    pub hostname: String,
    /// The abuse addresses that mail is taken for.
    pub recipients: Vec<String>,
    /// The largest message.
    pub max_message_size: Size,
    /// The longest line of message text.
    pub max_text_line: Size,
    /// The longest command line.
    pub max_command_line: Size,
    /// Whether lines are held to what the RFCs say.
    pub strict_lengths: bool,
    /// Clients that may send bare CR or LF and NUL in the text of a message.
    pub normalise: Vec<IpNet>,
    /// Recipients a message.
    pub max_recipients: usize,
    /// Messages a session.
    pub max_messages: u64,
    /// Errors a session before it is closed.
    pub max_errors: u32,
    /// Errors a session that cost no time.
    pub tarpit_after: u32,
    /// What each further error costs more than the one before.
    pub tarpit_step: Span,
    /// The most that an error costs.
    pub tarpit_max: Span,
    /// What a refused recipient costs at least.
    pub tarpit_recipient: Span,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// Sessions at a time for one client network.
    pub max_sessions_per_client: usize,
    /// New connections a minute for one client network; 0 for no limit.
    pub max_connections_per_minute: u32,
    /// Networks that the limit on new connections does not hold for.
    pub rate_exempt: Vec<IpNet>,
    /// Leading bits of an IPv4 address that make one client network.
    pub client_prefix_ipv4: u8,
    /// The same for IPv6.
    pub client_prefix_ipv6: u8,
    /// How long a proxy may take to say who the client is.
    pub proxy_timeout: Span,
    /// Message text held for all sessions together.
    pub max_in_flight: Size,
    /// How long a client may take for a command, or for the next piece of text.
    pub command_timeout: Span,
    /// How long a client may take for one whole message.
    pub data_timeout: Span,
    /// The least that a client must send of a message's text, in octets a second.
    pub min_data_rate: Size,
    /// Over how long that is measured.
    pub data_rate_window: Span,
    /// How long a client may take to read our replies.
    pub write_timeout: Span,
    /// How long a session may last.
    pub session_timeout: Span,
    /// How long messages in flight may take to finish when the daemon stops.
    pub drain_timeout: Span,
    /// The certificate.
    pub tls: SmtpTls,
    /// Bounds on logging in.
    pub auth: SmtpAuth,
    /// Who may log in.
    pub users: Vec<SmtpUser>,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: Address::default(),
            listeners: Vec::new(),
            hostname: "localhost".into(),
            recipients: Vec::new(),
            max_message_size: Size(25 << 20),
            max_text_line: Size(1 << 20),
            max_command_line: Size(2048),
            strict_lengths: false,
            normalise: Vec::new(),
            max_recipients: 100,
            max_messages: 10_000,
            max_errors: 20,
            tarpit_after: 3,
            tarpit_step: Span::secs(1),
            tarpit_max: Span::secs(10),
            tarpit_recipient: Span(Duration::from_millis(500)),
            max_sessions: 1_000,
            max_sessions_per_client: 100,
            max_connections_per_minute: 600,
            rate_exempt: vec![
                IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::from(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            client_prefix_ipv4: 32,
            client_prefix_ipv6: 64,
            proxy_timeout: Span::secs(5),
            max_in_flight: Size(256 << 20),
            command_timeout: Span::secs(300),
            data_timeout: Span::secs(600),
            min_data_rate: Size(100),
            data_rate_window: Span::secs(60),
            write_timeout: Span::secs(60),
            session_timeout: Span::secs(3600),
            drain_timeout: Span::secs(30),
            tls: SmtpTls::default(),
            auth: SmtpAuth::default(),
            users: Vec::new(),
        }
    }
}
