//! What the edge allows, in plain numbers. The defaults are safe on the open internet; the configuration
//! checks them for sense before they come here.

use ipnet::IpNet;
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
    /// Octets of text held over all sessions until the inbox has answered. At least `max_message_size`.
    pub max_bytes_in_flight: usize,
    /// How long a proxy may take to say who the client is.
    pub proxy_timeout: Duration,
    /// How long a client may take for one command, RFC 5321 section 4.5.3.2.7.
    pub command_timeout: Duration,
    /// How long it may take for the whole text of a message.
    pub data_timeout: Duration,
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
            max_bytes_in_flight: 256 * MIB,
            proxy_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_mins(5),
            data_timeout: Duration::from_mins(10),
            write_timeout: Duration::from_mins(1),
            delivery_timeout: Duration::from_mins(5),
            session_timeout: Duration::from_hours(1),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
