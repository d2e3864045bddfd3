//! What a listener is: the door that a client came in by decides which protocol is spoken, what is offered and
//! what is asked for. And who came in.

use super::Security;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// A listener, as its sessions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its name, for logs and metrics.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether under TLS.
    pub tls: TlsMode,
    /// Whether clients may log in.
    pub auth: bool,
    /// Networks of proxies that say who the client is.
    pub proxy: Vec<IpNet>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            name: "smtp".to_owned(),
            protocol: Protocol::Smtp,
            tls: TlsMode::Offered,
            auth: false,
            proxy: Vec::new(),
        }
    }
}

/// What is spoken at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP, RFC 5321.
    Smtp,
    /// LMTP, RFC 2033.
    Lmtp,
}

/// When a door's sessions are under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Off,
    /// From STARTTLS on (RFC 3207), if there is a certificate and the client wishes.
    Offered,
    /// From STARTTLS on; before it no mail is taken.
    Required,
    /// From the first octet (RFC 8314).
    Implicit,
}

/// Who came in, and by which door.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address, `::ffff:` unmapped; behind a proxy, the true one.
    pub client: IpAddr,
    /// The door.
    pub door: Arc<Door>,
    /// What is proven of it so far.
    pub security: Security,
}
