//! A load generator: distinct reports over N lockstep SMTP sessions into a real, durable `arfd serve`, on
//! one machine. Prints reports a second, the daemon's CPU time a report, its memory, and latencies.
//!
//! `cargo bench --bench load -- --reports 60000 --sessions 20 --identities 5000 --size 6500`; with `--perf FILE` it
//! also has `perf` record the daemon: `tests/rigs/profile.py` does that, and says where the time went.

mod shared;

use shared::process::{Process, clock};
use shared::{daemon, report};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

struct Plan {
    reports: usize,
    sessions: usize,
    identities: usize,
    size: usize,
    store: Option<String>,
    perf: Option<String>,
}

fn main() {
    let mut plan = Plan {
        reports: 40_000,
        sessions: 20,
        identities: 5_000,
        size: 6_500,
        store: None,
        perf: None,
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
            "--perf" => plan.perf = words.next(),
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
    let (daemon, http) = daemon::start(&folder, plan.store.as_deref());
    println!(
        "{} distinct reports of about {} octets, {} lockstep sessions, {} identities, store {}",
        plan.reports,
        plan.size,
        plan.sessions,
        plan.identities,
        plan.store.as_deref().unwrap_or("sqlite (synchronous=FULL)")
    );
    let perf = plan.perf.as_ref().map(|file| profile(&daemon, file));
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
    println!("peak resident MB          {:>10.1}", peak_mb(&daemon));
    let metrics = metrics(http);
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
    // perf ends with the process that it watches.
    if let Some(mut perf) = perf {
        perf.wait().expect("perf ends");
    }
    fs::remove_dir_all(&folder).expect("folder removed");
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
    let filler = report::filler(size);
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
            report::report(&mut message, n, n % identities, &filler);
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

/// A profile of the daemon under load, by `perf`.
fn profile(daemon: &Process, file: &str) -> Child {
    let mut perf = Command::new("perf");
    perf.args([
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-F",
        "999",
        "-o",
        file,
        "-p",
    ])
    .arg(daemon.id().to_string());
    perf.spawn().expect("perf starts")
}

fn peak_mb(daemon: &Process) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("status");
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

fn metrics(http: SocketAddr) -> String {
    let mut stream = TcpStream::connect(http).expect("http");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("write");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("metrics");
    text
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().parse().ok())
        .unwrap_or(0.0)
}
