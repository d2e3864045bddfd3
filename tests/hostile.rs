//! Reports come from strangers: whatever the bytes, reading never panics, keeps no more than it was given, and
//! keeps nothing that a database or a terminal would choke on.

use super::golden::samples;
use arfd::formats;
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Reads, and holds the reading against the bounds. A byte that is not UTF-8 becomes three.
fn check(bytes: &[u8]) {
    let reading = formats::read(bytes);
    assert!(reading.headers.as_bytes().len() <= bytes.len());
    let mut kept = 0;
    strings(&reading.to_json(), &mut |text| {
        assert!(!text.contains('\0'));
        assert!(text.len() <= 3 * 4_096, "{} bytes in one value", text.len());
        kept += text.len();
    });
    assert!(
        kept <= 4 * bytes.len() + 65_536,
        "{kept} of {}",
        bytes.len()
    );
    assert!(reading.report.original_rcpt_to.len() <= 1_000);
    assert!(reading.defects.len() <= formats::defects::ALL.len());
}

fn strings(value: &serde_json::Value, see: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => see(text),
        serde_json::Value::Array(all) => all.iter().for_each(|value| strings(value, see)),
        serde_json::Value::Object(all) => all.iter().for_each(|(name, value)| {
            see(name);
            strings(value, see);
        }),
        _ => {}
    }
}

/// One thing done to a sample.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Repeat(usize, usize),
    Insert(usize, &'static [u8]),
    Remove(usize, usize),
}

impl Harm {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len().max(1);
        match *self {
            Self::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(at % len) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Cut(at) => bytes.truncate(at % len),
            Self::Repeat(at, much) => {
                let at = at % len;
                let end = (at + much).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                bytes.extend(piece);
            }
            Self::Insert(at, what) => {
                let at = (at % len).min(bytes.len());
                bytes.splice(at..at, what.iter().copied());
            }
            Self::Remove(at, much) => {
                let at = (at % len).min(bytes.len());
                let end = (at + much).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    const PIECES: [&[u8]; 14] = [
        b"\r",
        b"\n",
        b"\0",
        b"\xff",
        b"\r\n\r\n",
        b"\r\n--b1\r\n",
        b"\r\n--b1--\r\n",
        b"Content-Type: multipart/mixed; boundary=\"",
        b"Content-Transfer-Encoding: base64\r\n",
        b"=?utf-8?b?",
        b"\"\\",
        b"From ",
        b"(((((",
        b"{\"Report\":[",
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        any::<usize>().prop_map(Harm::Cut),
        (any::<usize>(), 0..2_000_usize).prop_map(|(at, much)| Harm::Repeat(at, much)),
        (any::<usize>(), 0..PIECES.len()).prop_map(|(at, n)| Harm::Insert(at, PIECES[n])),
        (any::<usize>(), 0..200_usize).prop_map(|(at, much)| Harm::Remove(at, much)),
    ]
}

#[test]
fn arbitrary_bytes() {
    let bytes = prop::collection::vec(any::<u8>(), 0..2_000);
    let mut runner = prop::test_runner::TestRunner::new(config(2_000));
    runner
        .run(&bytes, |bytes| {
            check(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn arbitrary_lines_of_mail() {
    let line = prop_oneof![
        Just("Content-Type: multipart/report; report-type=feedback-report; boundary=b".to_owned()),
        Just("Content-Type: message/feedback-report".to_owned()),
        Just("Content-Type: message/rfc822".to_owned()),
        Just("Content-Type: application/json".to_owned()),
        Just("X-ARF: yes".to_owned()),
        Just("--b".to_owned()),
        Just("--b--".to_owned()),
        Just(String::new()),
        "[A-Za-z-]{1,12}: [ -~]{0,60}",
        "[ \t\\PC]{0,40}",
    ];
    let lines = prop::collection::vec(line, 0..60);
    let ends = prop::sample::select(vec!["\r\n", "\n", "\r"]);
    let mut runner = prop::test_runner::TestRunner::new(config(2_000));
    runner
        .run(&(lines, ends), |(lines, end)| {
            check(lines.join(end).as_bytes());
            Ok(())
        })
        .unwrap();
}

#[test]
fn harmed_samples() {
    let samples = samples();
    let which = 0..samples.len();
    let harms = prop::collection::vec(harm(), 1..8);
    let mut runner = prop::test_runner::TestRunner::new(config(2_500));
    runner
        .run(&(which, harms), |(which, harms)| {
            let mut bytes = samples[which].1.clone();
            harms.iter().for_each(|harm| harm.apply(&mut bytes));
            check(&bytes);
            Ok(())
        })
        .unwrap();
}

/// A small sample cut anywhere.
#[test]
fn every_truncation() {
    for (path, bytes) in samples() {
        if path.ends_with("arf-minimal.eml") || path.ends_with("xarf-v4.eml") {
            (0..bytes.len()).for_each(|end| check(&bytes[..end]));
        }
    }
}

/// Headers are looked at as far as a megabyte, and the report says so.
#[test]
fn headers_are_cut() {
    let long = "X-Padding: yes\n".repeat(80_000);
    for text in [
        format!("{long}\nbody\n"),
        format!("Content-Type: message/feedback-report\n{long}\nFeedback-Type: abuse\n"),
        format!(
            "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n\
             Feedback-Type: abuse\n--b\nContent-Type: message/rfc822\n\n{long}\nbody\n--b--\n"
        ),
    ] {
        check(text.as_bytes());
        let reading = formats::read(text.as_bytes());
        let cut = reading
            .defects
            .iter()
            .any(|d| d.0 == formats::defects::HEADERS_CUT);
        assert!(cut || reading.format == arfd::domain::report::Format::None);
    }
}

/// Shapes that cost a careless parser more than linear work or memory.
#[test]
fn expensive_shapes() {
    let head = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n";
    let feedback = "--b\nContent-Type: message/feedback-report\n\n";
    let nest = |n| "--b\nContent-Type: multipart/mixed; boundary=b\n\n".repeat(n);
    for body in [
        "--b\n".repeat(50_000),
        nest(5_000),
        "--".repeat(100_000),
        feedback.to_owned() + &"X: y\n".repeat(100_000),
        feedback.to_owned() + &"Original-Rcpt-To: <a@b.example>\n".repeat(20_000),
        feedback.to_owned() + "X-Long: " + &"é".repeat(200_000),
        feedback.to_owned() + "Subject: x\n" + &" folded\n".repeat(50_000),
        feedback.to_owned() + "Original-Rcpt-To: " + &",".repeat(100_000),
        "--b\nContent-Type: message/rfc822\n\nSubject: ".to_owned() + &"=?utf-8?b?".repeat(20_000),
        "--b\nContent-Type: application/json\n\n".to_owned() + &"[".repeat(100_000),
        "--b\nContent-Type: application/json\n\n{\"xarf_version\":".to_owned()
            + &"{\"a\":".repeat(20_000),
    ] {
        check((head.to_owned() + &body).as_bytes());
    }
    check(
        ("Content-Type: multipart/report; ".to_owned() + &"a=\"b\\\";".repeat(50_000)).as_bytes(),
    );
    check("From x\n".repeat(50_000).as_bytes());
}
