//! A whole SMTP or LMTP session without its socket, at doors of every kind, on any octets: it neither panics nor
//! spins, holds little, speaks in proper replies, answers each message it hands out, gives all back, and does the
//! same however the octets are cut.
#![no_main]

use arfd::clock::{Clock, SystemClock};
use arfd::metrics::Metrics;
use arfd::smtp::fuzzing::{Session, Step, all_given_back, decide};
use arfd::smtp::{
    AuthSettings, Door, Edge, Envelope, Inbox, Keys, PasswordHash, Peer, Protocol, Receipt, Security, Settings, Tls,
    TlsFiles, TlsMode, User, Users,
};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const STRICT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// One whose bare line ends are taken for text.
const NORMALISED: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const MAX_COMMAND: usize = 120;
const MAX_SIZE: usize = 200;
/// Less than two messages of the largest size: it is met within one session by none, so the cuts change nothing.
const IN_FLIGHT: usize = 300;

/// Takes any recipient of one domain. Messages are answered by the target itself.
struct Stub;

#[async_trait::async_trait]
impl Inbox for Stub {
    fn accepts(&self, _: IpAddr, recipient: &str) -> bool {
        recipient.ends_with("@a.test")
    }

    fn wants_tls(&self, recipient: &str) -> bool {
        recipient == "tls@a.test"
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
        max_message_size: MAX_SIZE,
        max_line: 100,
        max_command_line: MAX_COMMAND,
        max_bytes_in_flight: IN_FLIGHT,
        normalise: vec!["198.51.100.0/24".parse().expect("a network")],
        ..Settings::default()
    };
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).expect("a certificate");
    let files = TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
        client_ca: None,
        ask_clients: false,
    };
    std::fs::write(&files.certificate, made.cert.pem()).expect("a file");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("a file");
    let tls = Tls::load(files, Duration::from_secs(1), Arc::clone(&clock), Arc::clone(&metrics));
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    let user = User { name: "a".to_owned(), hash: PasswordHash::parse(hash).expect("a hash") };
    let keys = Keys {
        tls: Some(tls.expect("TLS")),
        users: Users::new(vec![user], AuthSettings::default(), clock, Arc::clone(&metrics)),
    };
    Edge::with_keys(Arc::new(Stub), settings, metrics, keys)
});

/// The kind of session, by the last of the eight octets of chance.
#[derive(Clone, Copy)]
struct Kind {
    protocol: Protocol,
    tls: TlsMode,
    auth: bool,
    normalised: bool,
    /// Whether the client sends a line at a time, and so gets beyond STARTTLS.
    patient: bool,
}

impl Kind {
    fn of(octet: u8) -> Self {
        Self {
            protocol: if octet & 1 == 0 { Protocol::Smtp } else { Protocol::Lmtp },
            tls: [TlsMode::Off, TlsMode::Offered, TlsMode::Required, TlsMode::Implicit][usize::from(octet >> 1 & 3)],
            auth: octet & 8 != 0,
            normalised: octet & 16 != 0,
            patient: octet & 32 != 0,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((head, stream)) = data.split_at_checked(8) else {
        return;
    };
    let kind = Kind::of(head[7]);
    let seed = u64::from_le_bytes(head.try_into().expect("eight octets"));
    let mut cuts = fastrand::Rng::with_seed(seed);
    let whole = run(kind, stream, seed, <[u8]>::len);
    let cut = run(kind, stream, seed, |rest| match kind.patient {
        true => memchr::memmem::find(rest, b"\r\n").map_or(rest.len(), |at| at + 2),
        false => cuts.usize(1..32),
    });
    // Who must wait for a reply is judged by when his octets came.
    if !kind.normalised && !whole.starttls && !cut.starttls {
        assert_eq!(whole, cut, "the cuts changed something");
    }
});

/// What was said, what was taken, and whether the session was closed by us.
#[derive(Debug, PartialEq)]
struct Outcome {
    said: String,
    taken: Vec<(Vec<String>, String, Vec<u8>)>,
    closed: bool,
    starttls: bool,
}

fn run(kind: Kind, stream: &[u8], answers: u64, mut cut: impl FnMut(&[u8]) -> usize) -> Outcome {
    let door = Door { protocol: kind.protocol, tls: kind.tls, auth: kind.auth, ..Door::default() };
    let security = Security { tls: kind.tls == TlsMode::Implicit, ..Security::default() };
    let client = if kind.normalised { NORMALISED } else { STRICT };
    let mut session = Session::open(&EDGE, Peer { client, door: Arc::new(door), security });
    let mut input = BytesMut::new();
    let (mut said, mut taken, mut seen) = (Vec::new(), Vec::new(), 0);
    let (mut closed, mut starttls) = (false, false);
    let mut tried = 0;
    // Each command takes one octet at least; a reply may call for a write of its own, and an error for a pause.
    let mut steps = 64 + 5 * stream.len();
    while steps > 0 {
        steps -= 1;
        match session.advance(&mut input) {
            Step::Read => {
                said.append(session.output());
                assert!(input.len() <= MAX_COMMAND, "{} octets held", input.len());
                if seen == stream.len() {
                    break;
                }
                let next = seen + cut(&stream[seen..]).min(stream.len() - seen);
                input.extend_from_slice(&stream[seen..next]);
                seen = next;
            }
            Step::Write => {
                assert!(!session.output().is_empty(), "nothing to write");
                said.append(session.output());
            }
            Step::Pause(span) => assert!(!span.is_zero() && span <= Duration::from_secs(10)),
            Step::StartTls => {
                said.append(session.output());
                assert!(input.is_empty(), "what came in the clear is still there");
                assert!(matches!(kind.tls, TlsMode::Offered | TlsMode::Required) && !starttls);
                starttls = true;
                session.secured(Security { tls: true, ..Security::default() });
            }
            Step::Authenticate(credentials) => {
                said.append(session.output());
                assert!(kind.auth && session.peer().security.tls, "a password in the clear");
                assert!(session.peer().security.login.is_none(), "a second login");
                tried += 1;
                decide(&mut session, credentials, (answers >> (tried % 64)) as u8);
            }
            Step::Deliver(delivery) => {
                check(client, &delivery.envelope, delivery.message.len());
                assert!(kind.tls != TlsMode::Required || starttls, "mail in the clear");
                said.append(session.output());
                let yes = (answers >> (taken.len() % 64)) & 1 == 1;
                session.answer(&match yes {
                    true => Receipt::Filed("filed\r\n250 as x".to_owned()),
                    false => Receipt::TryLater("later".to_owned()),
                });
                let line: &str = if yes { "250 2.0.0 filed??250 as x\r\n" } else { "451 4.3.0 later\r\n" };
                let due = match kind.protocol {
                    Protocol::Smtp => 1,
                    Protocol::Lmtp => delivery.envelope.rcpt_to.len(),
                };
                assert_eq!(session.output(), line.repeat(due).as_bytes(), "a message without its answer");
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
    // By DATA, text is lines; octets as they come are for chunks and for normalised networks.
    let chunked = stream.windows(4).any(|word| word.eq_ignore_ascii_case(b"bdat"));
    if !kind.normalised && !chunked {
        taken.iter().for_each(|(_, _, message)| lines_only(message));
    }
    Outcome { said, taken, closed, starttls }
}

fn check(client: IpAddr, envelope: &Envelope, octets: usize) {
    assert_eq!(envelope.client, client);
    assert!(matches!(envelope.rcpt_to.len(), 1..=3));
    assert!(envelope.rcpt_to.iter().all(|to| to.ends_with("@a.test")));
    assert!(envelope.security.tls || envelope.rcpt_to.iter().all(|to| to != "tls@a.test"));
    assert!(envelope.security.tls || envelope.security.login.is_none());
    let one_line = |text: &str| !text.contains(['\r', '\n', '\0']);
    assert!(one_line(&envelope.mail_from) && one_line(&envelope.helo));
    assert!(envelope.rcpt_to.iter().all(|to| one_line(to)));
    assert!(octets <= MAX_SIZE, "{octets} octets delivered");
}

fn lines_only(message: &[u8]) {
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
