//! The protocol edge: takes messages by SMTP under limits, and answers only when the inbox has decided.
//! Nothing about reports is known here.
//!
//! From the pure inside to the outside: `framing` finds lines and text, `command` and `reply` are the words,
//! `body`, `limits` and `rates` hold what may be held, `door` says who came in where, `policy` what is granted,
//! `session` puts them together without a socket, in `step` with its carrier; `auth` and `tls` secure it; `connection`
//! moves octets and waits, by its `deadlines`, `carry` puts it under TLS, `listen` are the sockets, `proxy` asks who
//! stands behind one, `server` accepts.

mod auth;
mod body;
mod carry;
mod command;
mod connection;
mod deadlines;
mod door;
mod framing;
mod limits;
mod listen;
mod policy;
mod proxy;
mod rates;
mod reply;
mod server;
mod session;
mod settings;
mod step;
mod tls;
mod trickle;

pub use auth::{AuthSettings, HashError, PasswordHash, User, Users, hash_password};
pub use door::{Door, Peer, Protocol, TlsMode};
pub use listen::{Listener, Stream};
pub use server::{Edge, Keys};
pub use settings::{Settings, Tarpit};
pub use tls::{Renewal, Tls, TlsError, TlsFiles};

use async_trait::async_trait;
use std::net::IpAddr;

/// What SMTP knows of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Identifier of the session, for logs.
    pub session: u64,
    /// The client's address, `::ffff:` unmapped.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: String,
    /// The envelope sender; empty for the null sender.
    pub mail_from: String,
    /// The accepted recipients.
    pub rcpt_to: Vec<String>,
    /// How the session was secured.
    pub security: Security,
}

/// How a session is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Whether it is under TLS.
    pub tls: bool,
    /// The client's certificate, if it was asked for one and showed that it holds the key.
    pub certificate: Option<Certificate>,
    /// The name it authenticated as (RFC 4954).
    pub login: Option<String>,
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER form, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The DNS names it was issued for (RFC 5280 section 4.2.1.6), in lower case. Empty unless a configured
    /// authority vouches for it: anybody can write any name into a certificate of his own.
    pub names: Vec<String>,
}

/// The inbox's word on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is durable. The text goes into the 250 reply.
    Filed(String),
    /// It could not be made durable now: 451 4.3.0 with this text.
    TryLater(String),
}

/// Who takes the messages.
#[async_trait]
pub trait Inbox: Send + Sync + 'static {
    /// Whether mail for this recipient is taken from this client. Otherwise: 550 5.1.1.
    fn accepts(&self, client: IpAddr, recipient: &str) -> bool;

    /// Whether mail for this recipient is taken under TLS only. Otherwise: 530 5.7.0.
    fn wants_tls(&self, _recipient: &str) -> bool {
        false
    }

    /// Takes a message. Returns only when it is durable or cannot be made so now.
    async fn deliver(&self, envelope: Envelope, message: Vec<u8>) -> Receipt;
}

/// What the fuzz targets under `fuzz/` drive. Only a build by cargo-fuzz has it: it is no part of the library's face.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use super::framing::{Fault, Line, Lines, Progress, Text};
    pub use super::session::Session;
    pub use super::step::{Delivery, Step};

    /// Answers a login: granted, denied, throttled or busy.
    pub fn decide(session: &mut Session, credentials: super::auth::Credentials, answer: u8) {
        use super::auth::Verdict;
        session.authenticated(match answer & 3 {
            0 => Verdict::Granted(credentials.name),
            1 => Verdict::Denied,
            2 => Verdict::Throttled,
            _ => Verdict::Busy,
        });
    }

    /// Whether no message holds anything of the budget.
    pub fn all_given_back(edge: &super::Edge) -> bool {
        edge.budget.has_room(edge.settings.max_bytes_in_flight)
    }
}
