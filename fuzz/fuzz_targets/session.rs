//! A whole SMTP session without its socket, on any octets: it neither panics nor spins, holds little, speaks
//! in proper replies, answers each message it hands out, and does the same however the octets are cut.
#![no_main]

use arfd::metrics::Metrics;
use arfd::smtp::fuzzing::{Session, Step, all_given_back};
use arfd::smtp::{Edge, Envelope, Inbox, Peer, Receipt, Security, Settings};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Takes any recipient of one domain. Messages are answered by the target itself.
struct Stub;

#[async_trait::async_trait]
impl Inbox for Stub {
    fn accepts(&self, _: IpAddr, recipient: &str) -> bool {
        recipient.ends_with("@a.test")
    }

    async fn deliver(&self, _: Envelope, _: Vec<u8>) -> Receipt {
        unreachable!("the target answers")
    }
}

static EDGE: LazyLock<Arc<Edge>> = LazyLock::new(|| {
    let settings = Settings {
        max_recipients: 3,
        max_messages: 6,
        max_errors: 8,
        max_message_size: 200,
        max_line: 100,
        max_command_line: 120,
        ..Settings::default()
    };
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    Edge::new(Arc::new(Stub), settings, metrics)
});

fuzz_target!(|data: &[u8]| {
    let Some((head, stream)) = data.split_at_checked(8) else {
        return;
    };
    let seed = u64::from_le_bytes(head.try_into().expect("eight octets"));
    let mut cuts = fastrand::Rng::with_seed(seed);
    let whole = run(stream, seed, || usize::MAX);
    let cut = run(stream, seed, || cuts.usize(1..32));
    assert_eq!(whole, cut, "the cuts changed something");
});

/// What was said, what was taken, and whether the session was closed by us.
#[derive(Debug, PartialEq)]
struct Outcome {
    said: String,
    taken: Vec<(Vec<String>, String, Vec<u8>)>,
    closed: bool,
}

fn run(stream: &[u8], answers: u64, mut cut: impl FnMut() -> usize) -> Outcome {
    let peer = Peer {
        client: CLIENT,
        door: Arc::default(),
        security: Security::default(),
    };
    let mut session = Session::open(&EDGE, peer);
    let mut input = BytesMut::new();
    let (mut said, mut taken, mut seen) = (Vec::new(), Vec::new(), 0);
    let mut closed = false;
    // Each command takes one octet at least; a reply may call for a write of its own.
    let mut steps = 64 + 4 * stream.len();
    while steps > 0 {
        steps -= 1;
        match session.advance(&mut input) {
            Step::Read => {
                said.append(session.output());
                assert!(input.len() <= 120, "{} octets held", input.len());
                if seen == stream.len() {
                    break;
                }
                let next = seen + cut().min(stream.len() - seen);
                input.extend_from_slice(&stream[seen..next]);
                seen = next;
            }
            Step::Write => {
                assert!(!session.output().is_empty(), "nothing to write");
                said.append(session.output());
            }
            Step::Deliver(delivery) => {
                check(&delivery.envelope, &delivery.message);
                said.append(session.output());
                let yes = (answers >> (taken.len() % 64)) & 1 == 1;
                session.answer(&match yes {
                    true => Receipt::Filed("filed\r\n250 as x".to_owned()),
                    false => Receipt::TryLater("later".to_owned()),
                });
                let code: &[u8] = if yes { b"250 2.0.0 " } else { b"451 4.3.0 " };
                assert!(session.output().starts_with(code), "a message without its answer");
                let envelope = delivery.envelope;
                taken.push((envelope.rcpt_to, envelope.mail_from, delivery.message));
            }
            Step::Close => {
                said.append(session.output());
                closed = true;
                break;
            }
        }
    }
    assert!(steps > 0, "it spins");
    drop(session);
    assert!(all_given_back(&EDGE), "octets still held after the session");
    let said = String::from_utf8(said).expect("replies are ASCII");
    well_formed(&said);
    Outcome { said, taken, closed }
}

fn check(envelope: &Envelope, message: &[u8]) {
    assert_eq!(envelope.client, CLIENT);
    assert!(matches!(envelope.rcpt_to.len(), 1..=3));
    assert!(envelope.rcpt_to.iter().all(|to| to.ends_with("@a.test")));
    let one_line = |text: &str| !text.contains(['\r', '\n', '\0']);
    assert!(one_line(&envelope.mail_from) && one_line(&envelope.helo));
    assert!(envelope.rcpt_to.iter().all(|to| one_line(to)));
    assert!(message.len() <= 200, "{} octets delivered", message.len());
    assert!(message.is_empty() || message.ends_with(b"\r\n"));
    let mut before = 0;
    for (at, octet) in message.iter().enumerate() {
        match octet {
            0 => panic!("NUL delivered"),
            b'\n' => assert_eq!(before, b'\r', "bare LF delivered"),
            _ => assert_ne!(before, b'\r', "bare CR delivered before {at}"),
        }
        before = *octet;
    }
}

/// RFC 5321 section 4.2.1: code, space or hyphen, printable text, CRLF, 512 octets at most.
fn well_formed(said: &str) {
    for line in said.split_inclusive("\r\n") {
        let text = line.strip_suffix("\r\n").expect("a reply ends in CRLF");
        assert!(line.len() <= 512, "{} octets in a reply", line.len());
        assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{text:?}");
        let (code, rest) = text.split_at(3);
        assert!(code.bytes().all(|octet| octet.is_ascii_digit()), "{text:?}");
        assert!(matches!(code.as_bytes()[0], b'2'..=b'5') && rest.starts_with([' ', '-']), "{text:?}");
    }
}
