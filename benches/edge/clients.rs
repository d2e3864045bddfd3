//! The clients that drive them: Postfix's smtp-source, and our own that pipelines or sends chunks.

use crate::Plan;
use crate::servers::postfix;
use crate::shared::report;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// A connection for each message.
    Source,
    /// Connections that stay open.
    SourceKept,
    /// RFC 2920: the next envelope with the text.
    Pipelined,
    /// RFC 3030: envelope and text in one write.
    Chunked,
}

impl Client {
    pub const ALL: [Self; 4] = [
        Self::Source,
        Self::SourceKept,
        Self::Pipelined,
        Self::Chunked,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "smtp-source, connection a message",
            Self::SourceKept => "smtp-source -d, sessions kept",
            Self::Pipelined => "own, PIPELINING",
            Self::Chunked => "own, BDAT",
        }
    }

    /// Sends all messages; gives how many. None where it cannot be done: no program, or no such extension.
    pub fn send(self, server: SocketAddr, plan: &Plan) -> Option<usize> {
        match self {
            Self::Source => source(server, plan, &[]),
            Self::SourceKept => source(server, plan, &["-d"]),
            Self::Pipelined => own(server, plan, "PIPELINING", pipelined),
            Self::Chunked => own(server, plan, "CHUNKING", chunked),
        }
    }
}

fn source(server: SocketAddr, plan: &Plan, more: &[&str]) -> Option<usize> {
    let mut source = postfix("smtp-source")?;
    source
        .args(["-f", "a@load.example", "-t", "arf@abuse.example"])
        .args(["-s", &plan.sessions.to_string()])
        .args(["-m", &plan.messages.to_string()])
        .args(["-l", &plan.size.to_string()])
        .args(more)
        .arg(server.to_string());
    let status = source.status().expect("smtp-source runs");
    assert!(status.success(), "{source:?}: {status}");
    Some(plan.messages)
}

/// A session with its replies.
struct Session {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
    line: String,
}

impl Session {
    /// None when the server does not offer the extension.
    fn open(server: SocketAddr, extension: &str) -> Option<Self> {
        let stream = TcpStream::connect(server).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let replies = BufReader::new(stream.try_clone().expect("clone"));
        let mut session = Self {
            stream,
            replies,
            line: String::new(),
        };
        session.expect("220");
        session.write(b"EHLO load.example\r\n");
        let mut offered = false;
        loop {
            session.read();
            offered |= session.line[4..].trim_end() == extension;
            if session.line.starts_with("250 ") {
                break;
            }
        }
        offered.then_some(session)
    }

    fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("write");
    }

    fn read(&mut self) {
        self.line.clear();
        self.replies.read_line(&mut self.line).expect("reply");
    }

    fn expect(&mut self, code: &str) {
        self.read();
        let line = &self.line;
        assert!(line.starts_with(code), "wanted {code}, got {line:?}");
    }
}

const ENVELOPE: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<arf@abuse.example>\r\n";

fn own(
    server: SocketAddr,
    plan: &Plan,
    extension: &'static str,
    send: fn(Session, std::ops::Range<usize>, &str),
) -> Option<usize> {
    Session::open(server, extension)?;
    let filler = report::filler(plan.size);
    let each = plan.messages / plan.sessions;
    thread::scope(|scope| {
        for session in 0..plan.sessions {
            let filler = &filler;
            scope.spawn(move || {
                let numbers = session * each..(session + 1) * each;
                let session = Session::open(server, extension).expect("offered as before");
                send(session, numbers, filler);
            });
        }
    });
    Some(each * plan.sessions)
}

/// As RFC 2920 allows: DATA is the last of its group, and the next group comes with the text.
fn pipelined(mut session: Session, numbers: std::ops::Range<usize>, filler: &str) {
    let mut octets = [ENVELOPE, b"DATA\r\n"].concat();
    session.write(&octets);
    let last = numbers.end - 1;
    for n in numbers {
        for code in ["250", "250", "354"] {
            session.expect(code);
        }
        octets.clear();
        report::report(&mut octets, n, n % 5_000, filler);
        if n < last {
            octets.extend_from_slice(ENVELOPE);
            octets.extend_from_slice(b"DATA\r\n");
        }
        session.write(&octets);
        session.expect("250");
    }
}

fn chunked(mut session: Session, numbers: std::ops::Range<usize>, filler: &str) {
    let (mut text, mut octets) = (Vec::new(), Vec::new());
    for n in numbers {
        text.clear();
        report::report(&mut text, n, n % 5_000, filler);
        // Chunks end without a dot.
        text.truncate(text.len() - 3);
        octets.clear();
        octets.extend_from_slice(ENVELOPE);
        write!(octets, "BDAT {} LAST\r\n", text.len()).expect("to memory");
        octets.extend_from_slice(&text);
        session.write(&octets);
        for _ in 0..3 {
            session.expect("250");
        }
    }
}
