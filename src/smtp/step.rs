//! What a session and the one who carries its octets say to each other.

use super::Envelope;
use super::auth::Credentials;
use super::limits::Hold;
use std::time::Duration;

/// What the caller does next. Replies that wait in [`Session::output`](super::session::Session::output) are written first.
#[derive(Debug)]
pub enum Step {
    /// Read more.
    Read,
    /// Only write, then go on.
    Write,
    /// Have the message taken, then tell [`Session::answer`](super::session::Session::answer). Writing first is not needed.
    Deliver(Box<Delivery>),
    /// Write, do the handshake, then tell [`Session::secured`](super::session::Session::secured). Whatever the
    /// client sends from here on is the handshake's.
    StartTls,
    /// Have the password tried, then tell [`Session::authenticated`](super::session::Session::authenticated).
    Authenticate(Credentials),
    /// Wait so long before writing and going on: the price of an error.
    Pause(Duration),
    /// Write and close.
    Close,
}

/// A message received in full.
#[derive(Debug)]
pub struct Delivery {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its text as sent, dots undoubled.
    pub message: Vec<u8>,
    /// Its share of the budget, to be kept until it is answered.
    pub hold: Hold,
}

/// What the session waits for; the number tells one command or message from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// A command.
    Command(u64),
    /// The rest of a message's text.
    Text(u64),
    /// The command for a message's next chunk. The message is under way and holds its text.
    Chunk {
        /// The message, as [`Awaits::Text`] numbers it.
        message: u64,
        /// The command.
        command: u64,
    },
}
