//! What a listener is: the door that a client came in by decides which protocol is spoken, what is offered and
//! what is asked for. And who came in.

use super::Security;
use std::net::IpAddr;
use std::sync::Arc;

/// A listener, as its sessions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its name, for logs and metrics.
    pub name: String,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            name: "smtp".to_owned(),
        }
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
