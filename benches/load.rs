//! A load generator: distinct reports over N lockstep SMTP sessions into a real, durable `arfd serve`, on
//! one machine. Prints reports a second, the daemon's CPU time a report, its memory, and latencies.
//!
//! `cargo bench --bench load -- --reports 60000 --sessions 20 --identities 5000 --size 6500`

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

struct Plan {
    reports: usize,
    sessions: usize,
    identities: usize,
    size: usize,
    store: Option<String>,
}

fn main() {
    let mut plan = Plan {
        reports: 40_000,
        sessions: 20,
        identities: 5_000,
        size: 6_500,
        store: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            words
                .next()
                .and_then(|w| w.parse().ok())
                .expect("a number follows")
        };
        match word.as_str() {
            "--reports" => plan.reports = number(),
            "--sessions" => plan.sessions = number(),
            "--identities" => plan.identities = number(),
            "--size" => plan.size = number(),
            "--store" => plan.store = words.next(),
            // Cargo adds this one.
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    run(&plan);
}

fn run(plan: &Plan) {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("folder");
    let daemon = Daemon::start(&folder, plan.store.as_deref());
    println!(
        "{} distinct reports of about {} octets, {} lockstep sessions, {} identities, store {}",
        plan.reports,
        plan.size,
        plan.sessions,
        plan.identities,
        plan.store.as_deref().unwrap_or("sqlite (synchronous=FULL)")
    );
    let before = daemon.cpu();
    let begun = clock();
    let each = plan.reports / plan.sessions;
    let workers: Vec<_> = (0..plan.sessions)
        .map(|session| {
            let (smtp, identities, size) = (daemon.smtp, plan.identities, plan.size);
            thread::spawn(move || send(smtp, session * each, each, identities, size))
        })
        .collect();
    let mut latencies: Vec<Duration> = workers
        .into_iter()
        .flat_map(|w| w.join().expect("session"))
        .collect();
    let took = begun.elapsed();
    let cpu = daemon.cpu() - before;
    latencies.sort();
    let sent = latencies.len();
    let at = |share: f64| latencies[((sent - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "reports/s                 {:>10.0}",
        sent as f64 / took.as_secs_f64()
    );
    println!(
        "daemon CPU µs a report    {:>10.1}",
        cpu.as_secs_f64() * 1e6 / sent as f64
    );
    println!(
        "latency ms p50 p90 p99 max  {:.2} {:.2} {:.2} {:.2}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    println!("peak resident MB          {:>10.1}", daemon.peak_mb());
    let metrics = daemon.metrics();
    let counted = value(&metrics, "arfd_complaints_total{standing=\"counted\"}");
    let commits = value(&metrics, "arfd_commit_batch_reports_count");
    println!(
        "reports a commit          {:>10.1}",
        counted / commits.max(1.0)
    );
    println!(
        "crossings                 {:>10}",
        value(&metrics, "arfd_crossings_total{rule=\"burst\"}")
    );
    assert_eq!(
        counted as usize, sent,
        "every report sent is a counted complaint"
    );
    drop(daemon);
    fs::remove_dir_all(&folder).expect("folder removed");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn clock() -> Instant {
    Instant::now()
}

/// One session: each report waits for the answer to the one before. Gives the time from the end of each
/// message to its 250.
fn send(
    smtp: SocketAddr,
    first: usize,
    count: usize,
    identities: usize,
    size: usize,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(smtp).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut replies = BufReader::new(stream.try_clone().expect("clone"));
    let mut line = String::new();
    expect(&mut replies, &mut line, "220");
    stream.write_all(b"EHLO load.example\r\n").expect("write");
    expect(&mut replies, &mut line, "250");
    let filler = filler(size);
    let mut message = Vec::with_capacity(size * 2);
    (first..first + count)
        .map(|n| {
            stream
                .write_all(b"MAIL FROM:<>\r\nRCPT TO:<arf@abuse.example>\r\nDATA\r\n")
                .expect("write");
            expect(&mut replies, &mut line, "250");
            expect(&mut replies, &mut line, "250");
            expect(&mut replies, &mut line, "354");
            message.clear();
            report(&mut message, n, n % identities, &filler);
            stream.write_all(&message).expect("write");
            let sent = clock();
            expect(&mut replies, &mut line, "250");
            sent.elapsed()
        })
        .collect()
}

fn expect(replies: &mut impl BufRead, line: &mut String, code: &str) {
    loop {
        line.clear();
        replies.read_line(line).expect("reply");
        assert!(line.starts_with(code), "wanted {code}, got {line:?}");
        if line.as_bytes().get(3) != Some(&b'-') {
            return;
        }
    }
}

/// Text of the enclosed message that makes the whole report about `size` octets, different in each line so
/// that it does not compress to nothing.
fn filler(size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(5965);
    let mut text = String::new();
    while text.len() + 1_500 < size {
        let line: String = (0..70).map(|_| random.alphanumeric()).collect();
        text.push_str(&line);
        text.push_str("\r\n");
    }
    text
}

/// A filter's report as it comes off the wire, dot at the end.
fn report(out: &mut Vec<u8>, n: usize, identity: usize, filler: &str) {
    write!(
        out,
        "Content-Type: multipart/report; report-type=\"feedback-report\"; boundary=\"=={n}==\"\r\n\
         MIME-Version: 1.0\r\nSubject: offer {n}\r\nFrom: admin@filter.example\r\nTo: arf@abuse.example\r\n\
         Date: Tue, 24 Nov 2026 02:51:18 -0600\r\nMessage-Id: <R{n}@filter.example>\r\n\r\n\
         --=={n}==\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\
         An abuse report (RFC 5965) about a message of one of your users.\r\n\r\n\
         --=={n}==\r\nContent-Type: message/feedback-report\r\nMIME-Version: 1.0\r\n\r\n\
         User-Agent: SpamExperts/1\r\nVersion: 1\r\nOriginal-Envelope-Id: 1abc-{n}\r\n\
         Original-Mail-From: user{identity}@customer.example\r\n\
         Arrival-Date: Tue, 24 Nov 2026 08:51:18 -0000\r\nSource-IP: 192.0.2.7\r\n\
         Original-Rcpt-To: <r{n}@elsewhere.example>\r\n\
         Authentication-Results: filter.example; auth=pass smtp.auth=server1@customer.example\r\n\
         Feedback-Type: abuse\r\n--=={n}==\r\nContent-Type: message/rfc822\r\n\r\n\
         Received: from server1.customer.example ([192.0.2.7])\r\n by filter.example with esmtpa (Exim 4.96)\r\n \
         id 1abc-{n}; Tue, 24 Nov 2026 02:51:18 -0600\r\n\
         X-AuthUser: user{identity}@customer.example\r\nMessage-ID: <M{n}@customer.example>\r\n\
         From: user{identity}@customer.example\r\nTo: r{n}@elsewhere.example\r\nSubject: offer {n}\r\n\
         Date: Tue, 24 Nov 2026 10:50:41 +0200\r\nX-Spampanel-Domain: customer.example\r\n\
         X-Spampanel-Username: server1\r\nX-Spampanel-Outgoing-Class: spam\r\n\r\n\
         {filler}\r\n--=={n}==--\r\n.\r\n"
    )
    .expect("to memory");
}

/// `arfd serve` as a process of its own.
struct Daemon {
    child: Child,
    smtp: SocketAddr,
    http: SocketAddr,
}

impl Daemon {
    fn start(folder: &Path, store: Option<&str>) -> Self {
        let [smtp, http] = [(); 2].map(|()| free_port());
        let store = store.map_or_else(
            || format!("sqlite://{}", folder.join("arfd.db").display()),
            str::to_owned,
        );
        let file = folder.join("arfd.toml");
        let text = format!(
            "[log]\nlevel = \"warn\"\n[smtp]\nlisten = \"{smtp}\"\nrecipients = [\"arf@abuse.example\"]\n\
             [http]\nlisten = \"{http}\"\n[store]\nurl = \"{store}\"\n\
             [[identification.headers]]\nname = \"X-AuthUser\"\n\
             [[feeds]]\nname = \"filter\"\nnetworks = [\"127.0.0.0/8\"]\nrecipients = [\"arf@abuse.example\"]\n"
        );
        fs::write(&file, text).expect("configuration");
        let child = Command::new(env!("CARGO_BIN_EXE_arfd"))
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .expect("arfd starts");
        let begun = clock();
        while TcpStream::connect(smtp).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "arfd does not listen"
            );
            thread::sleep(Duration::from_millis(20));
        }
        Self { child, smtp, http }
    }

    /// User and system time so far, from the kernel's own account (hundredths of a second).
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11..13]
            .iter()
            .map(|f| f.parse::<u64>().expect("ticks"))
            .sum();
        Duration::from_millis(ticks * 10)
    }

    fn peak_mb(&self) -> f64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status
            .lines()
            .find(|l| l.starts_with("VmHWM:"))
            .expect("VmHWM");
        let kib: f64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("KiB");
        kib / 1024.0
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.http).expect("http");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("write");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("metrics");
        text
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("address")
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().parse().ok())
        .unwrap_or(0.0)
}
