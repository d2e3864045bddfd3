//! Dialogues on the pure session, written as transcripts: `>` is the client, `<` the server. Whatever is sent
//! and answered, in order, must equal the script.

use super::*;
use crate::metrics::Metrics;
use crate::smtp::Security;
use crate::smtp::{Inbox, Settings};
use async_trait::async_trait;
use std::net::IpAddr;

struct Nowhere;

#[async_trait]
impl Inbox for Nowhere {
    fn accepts(&self, _client: IpAddr, recipient: &str) -> bool {
        recipient.ends_with("@example.test")
    }

    fn wants_tls(&self, recipient: &str) -> bool {
        recipient == "tls@example.test"
    }

    async fn deliver(&self, _envelope: Envelope, _message: Vec<u8>) -> Receipt {
        unreachable!("the tests take the messages themselves")
    }
}

fn edge(settings: Settings) -> Arc<Edge> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Edge::new(Arc::new(Nowhere), settings, metrics)
}

fn small() -> Settings {
    Settings {
        hostname: "mx.test".to_owned(),
        max_recipients: 2,
        max_messages: 3,
        max_errors: 5,
        max_message_size: 100,
        max_line: 60,
        max_command_line: 80,
        max_bytes_in_flight: 100,
        ..Settings::default()
    }
}

fn peer(client: &str) -> Peer {
    Peer {
        client: client.parse().unwrap(),
        door: Arc::default(),
        security: Security::default(),
    }
}

/// A session and all that it gave.
struct Played {
    session: Session,
    input: BytesMut,
    out: Vec<u8>,
    taken: Vec<(Envelope, Vec<u8>)>,
    paused: Vec<Duration>,
    closed: bool,
}

impl Played {
    fn new(edge: &Arc<Edge>) -> Self {
        Self::of(edge, peer("192.0.2.1"))
    }

    fn of(edge: &Arc<Edge>, peer: Peer) -> Self {
        Self {
            session: Session::open(edge, peer),
            input: BytesMut::new(),
            out: Vec::new(),
            taken: Vec::new(),
            paused: Vec::new(),
            closed: false,
        }
    }

    fn send(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        while !self.closed {
            let step = self.session.advance(&mut self.input);
            self.out.append(self.session.output());
            match step {
                Step::Read => return,
                Step::Write => {}
                Step::Pause(pause) => self.paused.push(pause),
                Step::Close => self.closed = true,
                Step::StartTls => self.session.secured(under_tls()),
                Step::Authenticate(credentials) => {
                    self.session.authenticated(word_on(credentials));
                    self.out.append(self.session.output());
                }
                Step::Deliver(delivery) => {
                    let busy = delivery.message.starts_with(b"busy");
                    self.taken.push((delivery.envelope, delivery.message));
                    self.session.answer(&match busy {
                        true => Receipt::TryLater("Busy".to_owned()),
                        false => Receipt::Filed(format!("Filed {}", self.taken.len())),
                    });
                    self.out.append(self.session.output());
                }
            }
        }
    }
}

/// Plays a session at a plain door: see [`play_on`].
fn play(settings: Settings, script: &str) -> Played {
    play_by(settings, peer("192.0.2.1"), script)
}

fn play_by(settings: Settings, peer: Peer, script: &str) -> Played {
    play_on(Played::of(&edge(settings), peer), script)
}

/// Plays the client's lines, `\r` `\n` `\0` in them standing for those octets, and compares.
fn play_on(mut played: Played, script: &str) -> Played {
    let mut seen = String::new();
    let mut note = |played: &mut Played| {
        for line in std::mem::take(&mut played.out).split_inclusive(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\r\n").expect("a whole line");
            seen += &format!("< {}\n", line.escape_ascii());
        }
        std::mem::take(&mut seen)
    };
    played.send(b"");
    let mut transcript = note(&mut played);
    for line in script
        .lines()
        .filter_map(|l| l.trim_start().strip_prefix("> "))
    {
        transcript += &format!("> {line}\n");
        let octets = line
            .replace("\\r", "\r")
            .replace("\\n", "\n")
            .replace("\\0", "\0");
        played.send(format!("{octets}\r\n").as_bytes());
        transcript += &note(&mut played);
    }
    if played.closed {
        transcript += "closed\n";
    }
    let script: Vec<&str> = script.trim().lines().map(str::trim_start).collect();
    let transcript: Vec<&str> = transcript.lines().collect();
    assert_eq!(transcript, script);
    played
}

fn hello(script: &str) -> String {
    format!("< 220 mx.test ESMTP\n> HELO c\n< 250 mx.test\n{script}")
}

#[test]
fn a_report_with_a_null_sender() {
    let played = play(
        small(),
        "< 220 mx.test ESMTP
         > EHLO filter.test
         < 250-mx.test
         < 250-SIZE 100
         < 250-PIPELINING
         < 250-8BITMIME
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250 ENHANCEDSTATUSCODES
         > MAIL FROM:<> SIZE=20 BODY=8BITMIME
         < 250 2.1.0 Sender OK
         > RCPT TO:<abuse@example.test>
         < 250 2.1.5 Recipient OK
         > DATA
         < 354 End data with <CR><LF>.<CR><LF>
         > ..one
         > two
         > .
         < 250 2.0.0 Filed 1
         > QUIT
         < 221 2.0.0 Goodbye
         closed",
    );
    let (envelope, message) = &played.taken[0];
    assert_eq!(message, b".one\r\ntwo\r\n");
    assert_eq!(envelope.mail_from, "");
    assert_eq!(envelope.helo, "filter.test");
    assert_eq!(envelope.rcpt_to, ["abuse@example.test"]);
    assert_eq!(envelope.client, IpAddr::from([192, 0, 2, 1]));
}

#[test]
fn put_off_and_usable_again() {
    let played = play(
        small(),
        &hello(
            "> MAIL FROM:<\"a b\"@c>
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > busy
             > .
             < 451 4.3.0 Busy
             > MAIL FROM:<e@f>
             < 250 2.1.0 Sender OK
             > RCPT TO:<y@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > .
             < 250 2.0.0 Filed 2",
        ),
    );
    assert_eq!(played.taken[0].0.mail_from, "\"a b\"@c");
    assert_eq!(played.taken[1].0.mail_from, "e@f");
    assert_eq!(played.taken[1].0.rcpt_to, ["y@example.test"]);
    assert!(played.taken[1].1.is_empty());
}

#[test]
fn order_of_commands() {
    play(
        Settings {
            max_errors: 20,
            ..small()
        },
        "< 220 mx.test ESMTP
         > MAIL FROM:<a@b>
         < 503 5.5.1 Bad sequence of commands
         > RSET
         < 250 2.0.0 OK
         > NOOP x
         < 250 2.0.0 OK
         > HELO c
         < 250 mx.test
         > RCPT TO:<x@example.test>
         < 503 5.5.1 Bad sequence of commands
         > DATA
         < 503 5.5.1 Bad sequence of commands
         > MAIL FROM: <a@b>
         < 250 2.1.0 Sender OK
         > MAIL FROM:<c@d>
         < 503 5.5.1 Bad sequence of commands
         > DATA
         < 503 5.5.1 Bad sequence of commands
         > RCPT TO:<x@elsewhere.test>
         < 550 5.1.1 No such mailbox here
         > DATA
         < 554 5.5.1 No valid recipients
         > RSET
         < 250 2.0.0 OK
         > DATA
         < 503 5.5.1 Bad sequence of commands
         > VRFY x
         < 252 2.0.0 Cannot verify; send mail to try
         > EXPN x
         < 502 5.5.1 Command not implemented
         > STARTTLS
         < 502 5.5.1 Command not implemented
         > HELP
         < 214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT
         > MAIL FROM:<a@b> FOO=1
         < 555 5.5.4 Parameter not recognised",
    );
}

/// A page in a browser on this machine can have a form sent here, with commands for its text.
#[test]
fn a_browser_is_sent_away_before_its_form_is_read() {
    let form =
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\nHELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n\
                 DATA\r\nx\r\n.\r\n";
    let mut played = Played::new(&edge(small()));
    played.send(form);
    assert!(played.closed && played.taken.is_empty());
    let out = String::from_utf8(played.out).unwrap();
    assert_eq!(
        out,
        "220 mx.test ESMTP\r\n500 5.5.1 This is not HTTP, closing\r\n"
    );
}

#[test]
fn a_refused_mail_leaves_the_transaction_alone() {
    let played = play(
        small(),
        &hello(
            "> MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > MAIL FROM:<c@d>
             < 503 5.5.1 Bad sequence of commands
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > RCPT TO:<x@elsewhere.test>
             < 550 5.1.1 No such mailbox here
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > .
             < 250 2.0.0 Filed 1",
        ),
    );
    assert_eq!(played.taken[0].0.mail_from, "a@b");
    assert_eq!(played.taken[0].0.rcpt_to, ["x@example.test"]);
}

#[test]
fn hello_and_reset_forget_the_transaction() {
    for (command, reply) in [("HELO d", "250 mx.test"), ("RSET", "250 2.0.0 OK")] {
        let played = play(
            small(),
            &hello(&format!(
                "> MAIL FROM:<a@b> SIZE=99
                 < 250 2.1.0 Sender OK
                 > RCPT TO:<x@example.test>
                 < 250 2.1.5 Recipient OK
                 > {command}
                 < {reply}
                 > DATA
                 < 503 5.5.1 Bad sequence of commands
                 > MAIL FROM:<>
                 < 250 2.1.0 Sender OK
                 > RCPT TO:<y@example.test>
                 < 250 2.1.5 Recipient OK
                 > DATA
                 < 354 End data with <CR><LF>.<CR><LF>
                 > .
                 < 250 2.0.0 Filed 1"
            )),
        );
        assert_eq!(played.taken[0].0.mail_from, "");
        assert_eq!(played.taken[0].0.rcpt_to, ["y@example.test"]);
    }
}

#[test]
fn sizes_and_lengths() {
    let played = play(
        small(),
        &hello(
            "> MAIL FROM:<a@b> SIZE=101
             < 552 5.3.4 Message too large
             > MAIL FROM:<a@b> SIZE=100
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > 23456789012345678901234567890123456789012345678901234567
             > 23456789012345678901234567890123456789012345678901234567
             > .
             < 552 5.3.4 Message too large
             > MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > 2345678901234567890123456789012345678901234567890123456789
             > 234567890123456789012345678901234
             > .
             < 250 2.0.0 Filed 1
             > MAIL FROM:<a2345678901234567890123456789012345678901234567890123456789012345678>
             < 500 5.5.2 Command line too long
             > RSET
             < 250 2.0.0 OK
             > MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > 23456789012345678901234567890123456789012345678901234567890
             > .
             < 500 5.6.0 Line of text too long
             > MAIL FROM:<a@b>
             < 421 4.7.0 Too many messages in this session, connect again
             closed",
        ),
    );
    assert_eq!(played.taken.len(), 1);
    assert_eq!(played.taken[0].1.len(), 95);
}

#[test]
fn recipients_and_errors() {
    play(
        small(),
        &hello(
            "> MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > RCPT TO:<y@example.test>
             < 250 2.1.5 Recipient OK
             > RCPT TO:<z@example.test>
             < 452 4.5.3 Too many recipients
             > A
             < 500 5.5.2 Command not recognised
             > B
             < 500 5.5.2 Command not recognised
             > C
             < 500 5.5.2 Command not recognised
             > D
             < 500 5.5.2 Command not recognised
             > E
             < 500 5.5.2 Command not recognised
             < 421 4.7.0 Too many errors, closing
             closed",
        ),
    );
}

#[test]
fn text_in_flight_is_bounded_over_sessions() {
    let edge = edge(small());
    let begin = b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nDATA\r\n";
    let (mut one, mut two) = (Played::new(&edge), Played::new(&edge));
    one.send(begin);
    two.send(begin);
    one.send(&b"12345678\r\n".repeat(9));
    two.send(&b"12345678\r\n".repeat(2));
    two.send(b".\r\nMAIL FROM:<> SIZE=11\r\n");
    let out = String::from_utf8(two.out.clone()).unwrap();
    let last: Vec<&str> = out.lines().rev().take(2).collect();
    assert_eq!(last, ["452 4.3.1 Too much mail in flight, try again"; 2]);
    drop(one);
    two.send(b"MAIL FROM:<> SIZE=100\r\n");
    assert!(two.out.ends_with(b"250 2.1.0 Sender OK\r\n"));
}

#[test]
fn smuggling_ends_the_session() {
    let text = "> MAIL FROM:<a@b>
                < 250 2.1.0 Sender OK
                > RCPT TO:<x@example.test>
                < 250 2.1.5 Recipient OK
                > DATA
                < 354 End data with <CR><LF>.<CR><LF>";
    let command = "500 5.5.2 Bare CR or LF refused, closing (RFC 5321 section 2.3.8)";
    let in_text = "550 5.6.0 Bare CR or LF refused, closing (RFC 5321 section 2.3.8)";
    for (before, line, want) in [
        (text, "a\\n.\\nRSET", in_text),
        (text, "a\\n.", in_text),
        (text, ".\\nRSET", in_text),
        (text, "a\\r.\\rRSET", in_text),
        (text, ".\\r", in_text),
        (text, "a\\r\\r\\n.", in_text),
        (text, "a\\0", "550 5.6.0 NUL refused, closing"),
        ("", "RSET\\nRSET", command),
        ("", "RSET\\rRSET", command),
        ("", "RSET\\r", command),
        ("", "RSET\\0", "500 5.5.2 NUL refused, closing"),
    ] {
        let script = hello(&format!("{before}\n> {line}\n< {want}\nclosed"));
        let played = play(small(), &script.replace("\n\n", "\n"));
        assert!(played.taken.is_empty());
    }
}

#[path = "chunking_tests.rs"]
mod chunking;
#[path = "lmtp_tests.rs"]
mod lmtp;
#[path = "model_tests.rs"]
mod model;
#[path = "security_tests.rs"]
mod security_dialogues;
use security_dialogues::{under_tls, word_on};
#[path = "smuggling_tests.rs"]
mod smuggling;
#[path = "stream_tests.rs"]
mod stream;
#[path = "tarpit_tests.rs"]
mod tarpit;
