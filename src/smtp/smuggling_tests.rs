//! What other servers have taken for a line end or the end of a message by mistake: each case refused and
//! closed, or kept as text from networks that are normalised, wherever the network cuts the stream.

use super::*;

const BEGIN: &[u8] = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@example.test>\r\nDATA\r\n";
/// What an attacker hopes to be obeyed.
const EVIL: &[u8] = b"MAIL FROM:<evil@x>\r\nRCPT TO:<x@example.test>\r\nDATA\r\nx\r\n.\r\n";

/// Ends that are none: octets of text that hold no CRLF.CRLF.
const FALSE_ENDS: [&[u8]; 22] = [
    b"a\n.\n",
    b"a\n.\r\n",
    b"a\r\n.\n",
    b"a\r.\r",
    b"a\r.\r\n",
    b"a\r\n.\r",
    b"a\r\r.\r\r",
    b"a\n\n.\n\n",
    b"a\r\n.\r\r\n",
    b"a\r\n\n.\n",
    b"a\n\r.\n\r",
    b"a\n\r.\r\n",
    b"a\r\n\0.\r\n",
    b"a\r\n.\0\r\n",
    b"a\r\0\n.\r\0\n",
    b"a\0\n.\0\n",
    b"a\r\n.\n\r\n",
    b"a\r\n..\n\r\n",
    b"\n.\n",
    b".\n",
    b".\r\r\n",
    b"\r.\r\n",
];

/// Sends the stream in two pieces, cut at each place in turn, and all octets singly.
fn every_split(settings: fn() -> Settings, stream: &[u8], check: impl Fn(&Played, usize)) {
    split_after(settings, b"", stream, check);
}

/// The same with something sent before in a piece of its own.
fn split_after(
    settings: fn() -> Settings,
    before: &[u8],
    stream: &[u8],
    check: impl Fn(&Played, usize),
) {
    for cut in 0..=stream.len() {
        let mut played = Played::new(&edge(settings()));
        played.send(before);
        played.send(&stream[..cut]);
        played.send(&stream[cut..]);
        check(&played, cut);
    }
    let mut played = Played::new(&edge(settings()));
    played.send(before);
    stream.chunks(1).for_each(|octet| played.send(octet));
    check(&played, usize::MAX);
}

fn last(played: &Played) -> String {
    let out = String::from_utf8(played.out.clone()).unwrap();
    out.lines().next_back().unwrap_or_default().to_owned()
}

#[test]
fn false_ends_in_text_are_refused_and_close() {
    for attack in FALSE_ENDS {
        let stream = [BEGIN, attack, EVIL, b"\r\n.\r\nQUIT\r\n"].concat();
        every_split(small, &stream, |played, cut| {
            let case = format!("{} cut at {cut}", attack.escape_ascii());
            assert!(played.closed && played.taken.is_empty(), "{case}");
            let last = last(played);
            let refused = ["Bare CR or LF refused", "NUL refused"];
            assert!(refused.iter().any(|r| last.contains(r)), "{case}: {last}");
            assert!(last.starts_with("550 5.6.0 "), "{case}: {last}");
            assert_eq!(played.session.shared.lock().messages, 1, "{case}");
        });
    }
}

/// Postfix and Exim obey this end as well: in CR CR LF . CR LF stands CRLF.CRLF. But the CR before it is bare.
#[test]
fn a_cr_too_many_before_the_end() {
    let stream = [BEGIN, b"a\r\r\n.\r\n", EVIL].concat();
    every_split(small, &stream, |played, cut| {
        assert!(played.closed && played.taken.is_empty(), "cut at {cut}");
        assert!(last(played).starts_with("550 5.6.0 Bare CR or LF"));
    });
}

#[test]
fn the_same_among_commands() {
    for attack in [
        &b"RSET\n"[..],
        b"RSET\r",
        b"RSET\r\r\n",
        b"\n",
        b"\r",
        b"RSET\0",
        b"\0\r\n",
        b"RSET\n\r\n",
        b"RS\rET\r\n",
    ] {
        let stream = [b"HELO c\r\n", attack, EVIL].concat();
        every_split(small, &stream, |played, cut| {
            let case = format!("{} cut at {cut}", attack.escape_ascii());
            assert!(played.closed && played.taken.is_empty(), "{case}");
            assert!(last(played).starts_with("500 5.5.2 "), "{case}");
            assert_eq!(played.session.shared.lock().messages, 0, "{case}");
        });
    }
}

fn normalising() -> Settings {
    Settings {
        normalise: vec!["192.0.2.0/24".parse().unwrap()],
        max_message_size: 1_000,
        max_bytes_in_flight: 1_000,
        ..small()
    }
}

#[test]
fn from_a_normalised_network_they_are_text() {
    for attack in FALSE_ENDS {
        // The attack is text, and so are the commands behind it: one message, kept as it came.
        let text = [b"x\r\n", attack, EVIL].concat();
        let text = text.strip_suffix(b".\r\n").unwrap();
        let stream = [text, b".\r\n"].concat();
        split_after(normalising, BEGIN, &stream, |played, cut| {
            let case = format!("{} cut at {cut}", attack.escape_ascii());
            assert_eq!(played.taken.len(), 1, "{case}");
            assert!(!played.closed, "{case}");
            let mut want = Vec::new();
            for line in text.split_inclusive(|octet| *octet == b'\n') {
                let begins = want.is_empty() || want.ends_with(b"\r\n");
                want.extend_from_slice(line.strip_prefix(b".").filter(|_| begins).unwrap_or(line));
            }
            let got = &played.taken[0].1;
            assert_eq!(
                got.escape_ascii().to_string(),
                want.escape_ascii().to_string()
            );
        });
    }
}

#[test]
fn a_normalised_client_waits_for_its_replies_or_is_cut_off() {
    let text = b"a\nb\0\r\n.\r\n";
    let next = EVIL.strip_suffix(b"x\r\n.\r\n").unwrap();
    let stream = [BEGIN, text, next].concat();
    let end = BEGIN.len() + text.len();
    for cut in BEGIN.len()..=stream.len() {
        let mut played = Played::new(&edge(normalising()));
        played.send(BEGIN);
        played.send(&stream[BEGIN.len()..cut]);
        played.send(&stream[cut..]);
        let early = cut != end;
        assert_eq!(played.closed, early, "cut at {cut}");
        let out = String::from_utf8(played.out.clone()).unwrap();
        assert!(out.contains("\r\n250 2.0.0 Filed 1\r\n"), "{out}");
        assert_eq!(
            out.contains("503 5.5.0 Sent before the reply"),
            early,
            "{out}"
        );
        // The next message is begun by those who wait, and by nobody else.
        let messages = played.session.shared.lock().messages;
        assert_eq!(messages, if early { 1 } else { 2 });
    }
}

/// Nor may text come before the reply to DATA.
#[test]
fn text_before_the_go_ahead_is_refused_to_a_normalised_client() {
    for early in [&b"x"[..], b".\r\n", b"x\r\n.\r\nQUIT\r\n"] {
        let mut played = Played::new(&edge(normalising()));
        played.send(&[BEGIN, early].concat());
        assert!(played.closed && played.taken.is_empty());
        assert!(last(&played).starts_with("503 5.5.0 Sent before the reply"));
    }
}

#[test]
fn pipelining_is_offered_to_others_only() {
    for (client, offered) in [("192.0.2.1", false), ("192.0.3.1", true)] {
        let edge = edge(normalising());
        let mut session = Session::open(&edge, peer(client));
        let mut input = BytesMut::from(&b"EHLO c\r\n"[..]);
        assert!(matches!(session.advance(&mut input), Step::Read));
        let out = String::from_utf8(session.output().clone()).unwrap();
        assert_eq!(out.contains("PIPELINING"), offered);
    }
}

/// In chunks no line end counts, so nothing can be smuggled by one, and nothing need be refused.
#[test]
fn in_chunks_they_are_text_for_everybody() {
    for attack in FALSE_ENDS {
        let text = [attack, b"\r\n.\r\n"].concat();
        let chunk = format!("BDAT {} LAST\r\n", text.len());
        let begin = BEGIN.strip_suffix(b"DATA\r\n").unwrap();
        let stream = [begin, chunk.as_bytes(), &text, b"NOOP\r\n"].concat();
        every_split(small, &stream, |played, cut| {
            assert_eq!(played.taken[0].1, text, "cut at {cut}");
            assert!(last(played).starts_with("250 2.0.0 OK"));
        });
    }
}
