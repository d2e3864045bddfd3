//! The line framer and the text reader against a model that goes octet by octet: however the stream is cut, the
//! same lines and the same text come out, and the text ends at CRLF.CRLF alone.
#![no_main]

use arfd::smtp::fuzzing::{Fault, Line, Lines, Progress, Text};
use libfuzzer_sys::fuzz_target;

/// How a stream ended: short, at its end after so many octets, or broken.
#[derive(Debug, PartialEq)]
enum End {
    More,
    At(usize),
    Broken(Fault),
}

/// What lines there were.
#[derive(Debug, PartialEq)]
enum Heard {
    Command(Vec<u8>),
    TooLong,
    Broken(Fault),
}

fuzz_target!(|data: &[u8]| {
    let Some((head, stream)) = data.split_at_checked(9) else {
        return;
    };
    let seed = u64::from_le_bytes(head[..8].try_into().expect("eight octets"));
    let max = 8 + usize::from(head[8]);
    let mut cuts = fastrand::Rng::with_seed(seed);

    let (text, end) = model_text(stream);
    let heard = model_lines(stream, max);
    for most in [1, 24, usize::MAX] {
        let mut cut = || match most {
            usize::MAX => most,
            _ => cuts.usize(1..=most),
        };
        let (got, got_end) = read_text(stream, &mut cut);
        assert_eq!(got_end, end);
        match end {
            End::At(_) => assert_eq!(got, text),
            // What breaks off is thrown away, yet nothing may be in it that was not sent.
            _ => assert!(text.starts_with(&got)),
        }
        assert_eq!(read_lines(stream, max, &mut cut), heard);
    }
});

/// The text reader, fed in pieces as the connection feeds it: what it leaves comes again.
fn read_text(stream: &[u8], mut cut: impl FnMut() -> usize) -> (Vec<u8>, End) {
    let (mut text, mut out) = (Text::default(), Vec::new());
    let (mut used, mut seen) = (0, 0);
    while seen < stream.len() {
        seen += cut().min(stream.len() - seen);
        let (step, progress) = text.feed(&stream[used..seen], |run| out.extend_from_slice(run));
        used += step;
        assert!(used <= seen);
        match progress {
            Progress::More => assert!(seen - used <= 2, "{} octets left lying", seen - used),
            Progress::End => return (out, End::At(used)),
            Progress::Broken(fault) => return (out, End::Broken(fault)),
        }
    }
    (out, End::More)
}

/// The rules of RFC 5321 sections 2.3.8 and 4.5.2, as slowly as they can be written.
fn model_text(stream: &[u8]) -> (Vec<u8>, End) {
    let (mut out, mut at, mut line_start) = (Vec::new(), 0, true);
    while at < stream.len() {
        let rest = &stream[at..];
        if line_start && rest[0] == b'.' {
            match rest {
                [_, b'\r', b'\n', ..] => return (out, End::At(at + 3)),
                [_] | [_, b'\r'] => return (out, End::More),
                _ => at += 1,
            }
            line_start = false;
            continue;
        }
        line_start = false;
        match rest {
            [b'\r', b'\n', ..] => {
                out.extend_from_slice(b"\r\n");
                at += 2;
                line_start = true;
            }
            [b'\r'] => return (out, End::More),
            [b'\r' | b'\n', ..] => return (out, End::Broken(Fault::BareLineEnd)),
            [0, ..] => return (out, End::Broken(Fault::Nul)),
            [octet, ..] => {
                out.push(*octet);
                at += 1;
            }
            [] => unreachable!(),
        }
    }
    (out, End::More)
}

/// The line framer, fed in pieces as the session feeds it.
fn read_lines(stream: &[u8], max: usize, mut cut: impl FnMut() -> usize) -> Vec<Heard> {
    let (mut lines, mut heard) = (Lines::new(max), Vec::new());
    let (mut used, mut seen) = (0, 0);
    loop {
        match lines.next(&stream[used..seen]) {
            Line::More { skip } => {
                used += skip;
                assert!(seen - used <= max, "{} octets held", seen - used);
                if seen == stream.len() {
                    return heard;
                }
                seen += cut().min(stream.len() - seen);
            }
            Line::Command { len } => {
                heard.push(Heard::Command(stream[used..used + len].to_vec()));
                assert_eq!(&stream[used + len..used + len + 2], b"\r\n");
                used += len + 2;
            }
            Line::TooLong { used: more } => {
                heard.push(Heard::TooLong);
                used += more;
            }
            Line::Broken(fault) => {
                heard.push(Heard::Broken(fault));
                return heard;
            }
        }
        assert!(used <= seen);
    }
}

/// Lines end at CRLF; an LF without CR breaks; within a line that is not too long so do CR and NUL.
fn model_lines(stream: &[u8], max: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    for line in stream.split_inclusive(|octet| *octet == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let Some(text) = line.strip_suffix(b"\r") else {
            heard.push(Heard::Broken(Fault::BareLineEnd));
            break;
        };
        if text.len() + 2 > max {
            heard.push(Heard::TooLong);
        } else if let Some(octet) = text.iter().find(|octet| matches!(octet, b'\r' | 0)) {
            heard.push(Heard::Broken(match octet {
                0 => Fault::Nul,
                _ => Fault::BareLineEnd,
            }));
            break;
        } else {
            heard.push(Heard::Command(text.to_vec()));
        }
    }
    heard
}
