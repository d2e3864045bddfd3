//! The SMTP edge alone: messages are accepted and thrown away, so that nothing but the edge is measured. The
//! server is a process of its own; prints its CPU time a message, or its memory a session.
//!
//! `cargo bench --bench edge -- --messages 200000 --sessions 20 --size 6500 --way lockstep|pipelined|bdat`
//! `cargo bench --bench edge -- --idle 5000`

use arfd::metrics::Metrics;
use arfd::smtp::{Envelope, Inbox, Receipt, Settings, serve};
use async_trait::async_trait;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Sink;

#[async_trait]
impl Inbox for Sink {
    fn accepts(&self, _client: IpAddr, _recipient: &str) -> bool {
        true
    }

    async fn deliver(&self, _envelope: Envelope, _message: Vec<u8>) -> Receipt {
        Receipt::Filed("thrown away".to_owned())
    }
}

struct Plan {
    messages: usize,
    sessions: usize,
    size: usize,
    way: String,
    idle: usize,
}

fn main() {
    let mut plan = Plan {
        messages: 200_000,
        sessions: 20,
        size: 6_500,
        way: "lockstep".to_owned(),
        idle: 0,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let word = words.next().expect("a number follows");
            word.parse().expect("a number follows")
        };
        match word.as_str() {
            "--messages" => plan.messages = number(),
            "--sessions" => plan.sessions = number(),
            "--size" => plan.size = number(),
            "--idle" => plan.idle = number(),
            "--way" => plan.way = words.next().expect("a way follows"),
            "--serve" => return server(),
            // Cargo adds this one.
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    match plan.idle {
        0 => load(&plan),
        sessions => idle(sessions),
    }
}

#[tokio::main]
async fn server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("address"));
    let settings = Settings {
        max_sessions: 100_000,
        max_sessions_per_client: 100_000,
        max_messages: u64::MAX,
        ..Settings::default()
    };
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    serve(
        listener,
        Arc::new(Sink),
        settings,
        metrics,
        CancellationToken::new(),
    )
    .await;
}

fn load(plan: &Plan) {
    let server = Server::start();
    let each = plan.messages / plan.sessions;
    let before = server.cpu();
    let begun = clock();
    thread::scope(|scope| {
        for _ in 0..plan.sessions {
            scope.spawn(|| send(server.address, each, plan));
        }
    });
    let (took, sent) = (begun.elapsed(), (each * plan.sessions) as f64);
    println!(
        "{}: {sent} messages of {} octets over {} sessions: {:.0}/s, {:.1} µs of the server's CPU each",
        plan.way,
        plan.size,
        plan.sessions,
        sent / took.as_secs_f64(),
        (server.cpu() - before).as_secs_f64() * 1e6 / sent
    );
}

/// One session. In lockstep each command waits for its reply; otherwise the envelope goes out in one piece,
/// with `bdat` the text as well.
fn send(address: SocketAddr, messages: usize, plan: &Plan) {
    let mut client = greeted(address);
    let line = [&b"x".repeat(70)[..], b"\r\n"].concat();
    let text = line.repeat(plan.size / line.len());
    let mut replies = |octets: &[&[u8]], replies: usize| {
        client.get_mut().write_all(&octets.concat()).expect("write");
        for _ in 0..replies {
            let mut line = String::new();
            client.read_line(&mut line).expect("reply");
            assert!(line.starts_with('2') || line.starts_with('3'), "{line}");
        }
    };
    let (mail, rcpt) = (
        &b"MAIL FROM:<>\r\n"[..],
        &b"RCPT TO:<arf@abuse.example>\r\n"[..],
    );
    for _ in 0..messages {
        match plan.way.as_str() {
            "lockstep" => {
                replies(&[mail], 1);
                replies(&[rcpt], 1);
                replies(&[b"DATA\r\n"], 1);
                replies(&[&text, b".\r\n"], 1);
            }
            "pipelined" => {
                replies(&[mail, rcpt, b"DATA\r\n"], 3);
                replies(&[&text, b".\r\n"], 1);
            }
            "bdat" => {
                let chunk = format!("BDAT {} LAST\r\n", text.len());
                replies(&[mail, rcpt, chunk.as_bytes(), &text], 3);
            }
            other => panic!("no such way: {other}"),
        }
    }
}

/// Memory of sessions that have done nothing yet, and of those that took a message and then fell idle.
fn idle(sessions: usize) {
    let server = Server::start();
    let empty = server.resident();
    let each = |octets: f64| (octets - empty) / sessions as f64;
    let mut clients: Vec<_> = (0..sessions).map(|_| greeted(server.address)).collect();
    println!(
        "after EHLO: {:.0} octets a session",
        each(server.resident())
    );
    thread::sleep(Duration::from_secs(7));
    println!(
        "idle 7 s:   {:.0} octets a session",
        each(server.resident())
    );
    let message = [
        &b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n"[..],
        &b"0123456789\r\n".repeat(500),
        b".\r\n",
    ]
    .concat();
    for client in &mut clients {
        client.get_mut().write_all(&message).expect("write");
        for _ in 0..4 {
            client.read_line(&mut String::new()).expect("reply");
        }
    }
    println!(
        "a message:  {:.0} octets a session",
        each(server.resident())
    );
    thread::sleep(Duration::from_secs(7));
    println!(
        "idle 7 s:   {:.0} octets a session",
        each(server.resident())
    );
}

fn greeted(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut client = BufReader::with_capacity(1024, stream);
    client
        .get_mut()
        .write_all(b"EHLO bench\r\n")
        .expect("write");
    let mut line = String::new();
    while !line.starts_with("250 ") {
        line.clear();
        client.read_line(&mut line).expect("reply");
    }
    client
}

/// The server's process, ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("--serve")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("its address");
        Self {
            address: line.trim().parse().expect("its address"),
            child,
        }
    }

    /// User and system time so far, from the kernel's own account (hundredths of a second).
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("stat");
        let (_, fields) = stat.rsplit_once(')').expect("fields");
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|f| f.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident octets.
    fn resident(&self) -> f64 {
        let file = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(file).expect("status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.expect("VmRSS") * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn clock() -> Instant {
    Instant::now()
}
