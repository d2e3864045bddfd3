//! The demonstration's mail: the samples of this repository, varied where the story needs many of a kind,
//! and a small SMTP client that sends them for real.

use std::io;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A person's letter to the abuse desk.
pub const LETTER: &[u8] = include_bytes!("../../../samples/plain-human.eml");
/// A recipient who says that the mail was wanted.
pub const RESCUE: &[u8] = include_bytes!("../../../samples/not-spam.eml");
/// A DMARC failure report.
pub const DMARC: &[u8] = include_bytes!("../../../samples/dmarc-failure.eml");
/// The filter's report of one refused message.
const FILTER: &str = include_str!("../../../samples/filter-authuser.eml");
/// A feedback loop's report of a message that passed the filter.
const LOOP: &str = include_str!("../../../samples/fbl-through-filter.eml");

/// The filter's report of the `message`th message, refused for the `attempt`th time: each attempt has its
/// own envelope id, as the filter gives every retry a new one.
pub fn filter_report(message: usize, attempt: usize) -> Vec<u8> {
    FILTER
        .replace(
            "1tPqA9-0004XU-1w",
            &format!("1tPq{message:02}-0004X{attempt}-1w"),
        )
        .replace(
            "20260303091240.1A2B3C",
            &format!("2026030309{message:04}.1A2B3C"),
        )
        .replace(
            "lee@customer.example.net",
            &format!("lee{message}@customer.example.net"),
        )
        .into_bytes()
}

/// A feedback loop's report of the `message`th message.
pub fn loop_report(message: usize) -> Vec<u8> {
    LOOP.replace(
        "20260303094103.7F00D1",
        &format!("2026030309{message:04}.7F00D1"),
    )
    .replace(
        "kim@mailbox.example",
        &format!("kim{message}@mailbox.example"),
    )
    .into_bytes()
}

/// One SMTP session.
#[derive(Debug)]
pub struct Client {
    replies: BufReader<OwnedReadHalf>,
    out: OwnedWriteHalf,
}

impl Client {
    /// Connects and says EHLO.
    ///
    /// # Errors
    /// When the server is not there or refuses.
    pub async fn connect(server: &str) -> io::Result<Self> {
        let (replies, out) = TcpStream::connect(server).await?.into_split();
        let mut client = Self {
            replies: BufReader::new(replies),
            out,
        };
        client.reply().await?;
        client.say("EHLO demo.example").await?;
        Ok(client)
    }

    /// Sends one message with the null sender. Gives the server's last word: 250 when it is durable.
    ///
    /// # Errors
    /// When the connection fails, or a command before the message is refused.
    pub async fn send(&mut self, recipient: &str, message: &[u8]) -> io::Result<String> {
        for command in [
            "MAIL FROM:<>".to_owned(),
            format!("RCPT TO:<{recipient}>"),
            "DATA".to_owned(),
        ] {
            let reply = self.say(&command).await?;
            if !reply.starts_with(['2', '3']) {
                return Err(io::Error::other(format!("{command}: {reply}")));
            }
        }
        let mut text = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b".") {
                text.push(b'.');
            }
            text.extend(line.trim_ascii_end());
            text.extend(b"\r\n");
        }
        text.extend(b".\r\n");
        self.out.write_all(&text).await?;
        self.reply().await
    }

    async fn say(&mut self, command: &str) -> io::Result<String> {
        self.out
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.replies.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}
