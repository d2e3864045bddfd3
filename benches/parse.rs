//! How fast reports are read, on one core, beside mail-parser's full MIME parse of the same bytes: the ratio is
//! what the lazy splitter earns, and holds on any machine. A bomb of 50 MB is to take under 100 ms. Run with `cargo bench --bench parse`.

use arfd::formats;
use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;

#[path = "../tests/support/bombs.rs"]
mod bombs;

const FILTER: &[u8] = include_bytes!("../samples/filter-spampanel.eml");
const JMRP: &[u8] = include_bytes!("../samples/jmrp-old.eml");
const JMRP_NEW: &[u8] = include_bytes!("../samples/jmrp-new.eml");
/// What the filter's reports weigh in the field.
const TYPICAL: usize = 6_500;

/// The sample with text added to the enclosed body until it is of that size.
fn padded(size: usize) -> Vec<u8> {
    let line = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eius.\r\n";
    let end = memchr::memmem::rfind(FILTER, b"\r\n--=").unwrap_or(FILTER.len());
    let (before, after) = FILTER.split_at(end);
    let mut bytes = before.to_vec();
    while bytes.len() + after.len() < size {
        bytes.extend_from_slice(line);
    }
    bytes.extend_from_slice(after);
    bytes
}

/// Boundaries, near-boundaries and encodings, as many as fit.
fn hostile() -> Vec<u8> {
    let mut bytes =
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
        --b\r\nContent-Type: message/feedback-report\r\n\r\n"
            .to_vec();
    for n in 0..3_000 {
        bytes.extend_from_slice(format!("X-{n}: =?utf-8?b?{n}\0\r\n --b-{n}\r\n").as_bytes());
    }
    bytes.extend_from_slice(
        "\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            .repeat(500)
            .as_bytes(),
    );
    bytes
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .without_plots()
        .configure_from_args();
    let whole = mail_parser::MessageParser::default();
    let mut group = criterion.benchmark_group("parse");
    for (name, bytes) in [
        ("filter report, 6.5 KB", padded(TYPICAL)),
        ("jmrp, legacy", JMRP.to_vec()),
        ("jmrp, today's", JMRP_NEW.to_vec()),
        ("original of 100 KB", padded(100_000)),
        ("hostile", hostile()),
    ] {
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::new("read", name), &bytes, |b, bytes| {
            b.iter(|| formats::read(black_box(bytes)));
        });
        // The same bytes, in the same run: the ratio holds on any machine.
        group.bench_with_input(BenchmarkId::new("mail-parser", name), &bytes, |b, bytes| {
            b.iter(|| whole.parse(black_box(bytes)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("bomb of 50 MB");
    group.sample_size(10);
    for (name, start, line) in bombs::shapes() {
        let bytes = bombs::bomb(&start, &line);
        group.bench_with_input(BenchmarkId::new("read", name), &bytes, |b, bytes| {
            b.iter(|| formats::read(black_box(bytes)));
        });
    }
    group.finish();
    criterion.final_summary();
}
