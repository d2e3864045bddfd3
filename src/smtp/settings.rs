//! What the edge allows, in plain numbers. The defaults are safe on the open internet; the configuration
//! checks them for sense before they come here.

use super::command;
use super::reply::{self, Reply};
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// Limits, deadlines and the name that the edge goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name in the greeting and in the reply to EHLO.
    pub hostname: String,
    /// Sessions open at once; more get 421 4.7.0 and are never queued.
    pub max_sessions: usize,
    /// Sessions open at once from one client network.
    pub max_sessions_per_client: usize,
    /// New connections in a minute from one client network; 0 for no limit. More get 421 4.7.0.
    pub max_connections_per_minute: u32,
    /// Networks that the limit on new connections does not hold for.
    pub rate_exempt: Vec<IpNet>,
    /// How many leading bits of an IPv4 address make one client network.
    pub ipv4_prefix: u8,
    /// The same for IPv6.
    pub ipv6_prefix: u8,
    /// Recipients of a message; RFC 5321 section 4.5.3.1.8 asks for at least 100.
    pub max_recipients: usize,
    /// Messages in one session.
    pub max_messages: u64,
    /// Commands refused for good (5xx) in one session, before it is closed.
    pub max_errors: u32,
    /// Octets in a message, as RFC 1870 section 5 counts them.
    pub max_message_size: usize,
    /// Octets in a line of text, its CRLF included. RFC 5321 section 4.5.3.1.6 says 1,000; reports that
    /// enclose mail as it came are often wider.
    pub max_line: usize,
    /// Octets in a command line, its CRLF included. RFC 5321 section 4.5.3.1.4 says 512 and extensions add.
    pub max_command_line: usize,
    /// Whether lines are held to what the RFCs say, however much longer they might be by the two limits above.
    pub strict_lengths: bool,
    /// Clients that may send bare CR or LF and NUL in the text of a message. It is kept as it comes, and only
    /// `CRLF.CRLF` ends it; whatever they send before its reply closes the session.
    pub normalise: Vec<IpNet>,
    /// What errors cost in time.
    pub tarpit: Tarpit,
    /// Octets of text held over all sessions until the inbox has answered. At least `max_message_size`.
    pub max_bytes_in_flight: usize,
    /// How long a proxy may take to say who the client is.
    pub proxy_timeout: Duration,
    /// How long a client may take for one command, RFC 5321 section 4.5.3.2.7.
    pub command_timeout: Duration,
    /// How long it may take for the whole text of a message.
    pub data_timeout: Duration,
    /// The least that it must send in each `data_rate_window` of a message's text, in octets a second; 0 for any.
    pub min_data_rate: u64,
    /// Over how long the rate is measured.
    pub data_rate_window: Duration,
    /// How long it may take to read what we wrote.
    pub write_timeout: Duration,
    /// How long the inbox may take before the client is told to try later. RFC 5321 section 4.5.3.2.6 lets
    /// clients wait 10 minutes.
    pub delivery_timeout: Duration,
    /// How long a session may last; a message that is with the inbox is still answered.
    pub session_timeout: Duration,
    /// How long the messages in flight have to finish once the daemon stops.
    pub drain_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            hostname: "localhost".to_owned(),
            max_sessions: 1_000,
            max_sessions_per_client: 100,
            max_connections_per_minute: 0,
            rate_exempt: Vec::new(),
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            max_recipients: 100,
            max_messages: 10_000,
            max_errors: 20,
            max_message_size: 25 * MIB,
            max_line: MIB,
            max_command_line: 2_048,
            strict_lengths: false,
            normalise: Vec::new(),
            tarpit: Tarpit::default(),
            max_bytes_in_flight: 256 * MIB,
            proxy_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_mins(5),
            data_timeout: Duration::from_mins(10),
            min_data_rate: 100,
            data_rate_window: Duration::from_mins(1),
            write_timeout: Duration::from_mins(1),
            delivery_timeout: Duration::from_mins(5),
            session_timeout: Duration::from_hours(1),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// Octets in the longest line of text, its CRLF included.
    pub(super) fn longest_line(&self) -> usize {
        match self.strict_lengths {
            true => self.max_line.min(1_000),
            false => self.max_line,
        }
    }

    /// Whether a command, its CRLF not included, is longer than the RFCs allow and they are to be kept.
    pub(super) fn is_too_long(&self, command: &[u8]) -> bool {
        self.strict_lengths && command.len() + 2 > command::allowed(command)
    }

    /// Whether bare line ends are taken from this client.
    pub(super) fn is_normalised(&self, client: IpAddr) -> bool {
        self.normalise.iter().any(|net| net.contains(&client))
    }
}

/// What errors cost in time: replies are held back, so that trying and guessing is slow. Nothing else of the
/// daemon waits with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tarpit {
    /// Errors in a session that cost nothing.
    pub after: u32,
    /// What the next one costs; each further one costs so much more.
    pub step: Duration,
    /// The most that an error costs.
    pub max: Duration,
    /// What a refused recipient costs at least, from the first on: the reply tells which addresses exist.
    pub recipient: Duration,
}

impl Default for Tarpit {
    fn default() -> Self {
        Self {
            after: 3,
            step: Duration::from_secs(1),
            max: Duration::from_secs(10),
            recipient: Duration::from_millis(500),
        }
    }
}

impl Tarpit {
    /// How long a refusal is held back that makes so many errors in its session.
    pub(super) fn price(&self, errors: u32, refusal: &Reply) -> Duration {
        let grown = self.step.saturating_mul(errors.saturating_sub(self.after));
        match *refusal {
            reply::NO_MAILBOX => grown.min(self.max).max(self.recipient),
            _ => grown.min(self.max),
        }
    }
}
