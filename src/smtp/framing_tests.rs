//! The framing rules, case by case. Each stream is also fed octet by octet, which must change nothing.

use super::*;

/// All the text up to the end or fault, and how it ended, with the stream cut into pieces of `size`.
fn read(stream: &[u8], size: usize) -> (Vec<u8>, Progress, usize) {
    let mut text = Text::default();
    let mut out = Vec::new();
    let (mut used, mut seen) = (0, 0);
    while seen < stream.len() {
        seen = (seen + size).min(stream.len());
        let (step, progress) = text.feed(&stream[used..seen], |run| out.extend_from_slice(run));
        used += step;
        if progress != Progress::More {
            return (out, progress, used);
        }
    }
    (out, Progress::More, used)
}

#[test]
fn text_ends_at_crlf_dot_crlf_alone() {
    for (stream, text, used) in [
        (&b".\r\nQUIT"[..], &b""[..], 3),
        (b"a\r\n.\r\nQUIT", b"a\r\n", 6),
        (b"..\r\n.\r\n", b".\r\n", 7),
        (b"...\r\n..a\r\n.\r\n", b"..\r\n.a\r\n", 13),
        (b".a\r\n\r\n.\r\n", b"a\r\n\r\n", 9),
        (b"a.\r\n.\r\n", b"a.\r\n", 7),
    ] {
        for size in [1, 2, 3, 100] {
            assert_eq!(read(stream, size), (text.to_vec(), Progress::End, used));
        }
    }
}

#[test]
fn other_line_ends_are_faults() {
    let bare = Progress::Broken(Fault::BareLineEnd);
    for (stream, want) in [
        (&b"a\n.\nb\r\n"[..], bare),
        (b"a\n.\r\nb\r\n", bare),
        (b"a\r\n.\nb\r\n", bare),
        (b"a\r.\rb\r\n", bare),
        (b"a\r\n.\rb\r\n", bare),
        (b"a\r\n.\r\rb\r\n", bare),
        (b"a\r\r\n.\r\nb\r\n", bare),
        (b"\n.\r\n", bare),
        (b"a\0b\r\n", Progress::Broken(Fault::Nul)),
    ] {
        for size in [1, 2, 3, 100] {
            assert_eq!(read(stream, size).1, want, "{:?}", stream.escape_ascii());
        }
    }
}

#[test]
fn the_longest_line_is_known_however_it_comes() {
    for size in [1, 4, 100] {
        let mut text = Text::default();
        let stream = b"1234\r\n.12345678\r\n12\r\n";
        let (mut used, mut seen) = (0, 0);
        while seen < stream.len() {
            seen = (seen + size).min(stream.len());
            used += text.feed(&stream[used..seen], |_| ()).0;
        }
        assert_eq!(text.longest(), 11);
    }
}

#[test]
fn command_lines() {
    for (input, want) in [
        (&b""[..], Line::More { skip: 0 }),
        (b"QUIT\r", Line::More { skip: 0 }),
        (b"QUIT\r\nNOOP", Line::Command { len: 4 }),
        (b"12345678\r\n", Line::Command { len: 8 }),
        (b"123456789\r\n", Line::TooLong { used: 11 }),
        (b"123456789\n", Line::Broken(Fault::BareLineEnd)),
        (b"QUIT\n", Line::Broken(Fault::BareLineEnd)),
        (b"\n", Line::Broken(Fault::BareLineEnd)),
        (b"A\rB\r\n", Line::Broken(Fault::BareLineEnd)),
        (b"A\r\r\n", Line::Broken(Fault::BareLineEnd)),
        (b"A\0\r\n", Line::Broken(Fault::Nul)),
    ] {
        assert_eq!(Lines::new(10).next(input), want, "{}", input.escape_ascii());
    }
}

#[test]
fn a_line_too_long_is_dropped_as_it_comes() {
    let mut lines = Lines::new(10);
    assert_eq!(lines.next(b"1234567890"), Line::More { skip: 0 });
    assert_eq!(lines.next(b"1234567890\r"), Line::More { skip: 10 });
    assert_eq!(lines.next(b"\r\nQUIT\r\n"), Line::TooLong { used: 2 });
    assert_eq!(lines.next(b"QUIT\r\n"), Line::Command { len: 4 });
}
