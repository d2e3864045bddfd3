//! What a listener is: the door that a client came in by decides which protocol is spoken, what is offered and
//! what is asked for. And who came in.

use super::Security;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// What is spoken at a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: each recipient gets a reply of its own after the text.
    Lmtp,
}

/// What a door does about TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Nothing.
    #[default]
    Off,
    /// STARTTLS is offered (RFC 3207).
    Offered,
    /// No mail is taken before STARTTLS.
    Required,
    /// From the first octet on (RFC 8314 section 3).
    Implicit,
}

/// A listener, as its sessions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its name, for logs and metrics.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// What is done about TLS.
    pub tls: TlsMode,
    /// Whether clients may authenticate (RFC 4954).
    pub auth: bool,
    /// The networks of the proxies that must say by the PROXY protocol who the client is; then nobody else is
    /// let in. Empty: clients come by themselves.
    pub proxy: Vec<IpNet>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            name: "smtp".to_owned(),
            protocol: Protocol::default(),
            tls: TlsMode::default(),
            auth: false,
            proxy: Vec::new(),
        }
    }
}

impl Door {
    /// Whether a proxy at this address is heard.
    pub fn hears(&self, proxy: IpAddr) -> bool {
        self.proxy.iter().any(|network| network.contains(&proxy))
    }
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
