//! Whole streams on the pure session: however the network cuts them, the outcome is the same.

use super::*;
use proptest::prelude::*;

/// Pipelined traffic with something of everything, and optionally a smuggling attempt at its end.
fn stream(attack: bool) -> Vec<u8> {
    let mut stream = b"EHLO c\r\nNOOP\r\n".to_vec();
    for text in [
        &b"a\r\n..b\r\n\r\n.\r\n"[..],
        b"..\r\n.\r\n",
        b".\r\n",
        b"busy\r\n.\r\n",
        b"01234567890123456789012345678901234567890123456789012345678901234567890\r\n.\r\n",
        b"12345678\r\n12345678\r\n12345678\r\n12345678\r\n12345678\r\n12345678\r\n12345678\r\n\
          12345678\r\n12345678\r\n12345678\r\n12345678\r\n.\r\n",
        b"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234\
          0123456789012345678901234567890123456789012345678901234567890123456789012345678901234\r\n\
          .\r\n",
        b"last \xff\r\n.\r\n",
    ] {
        stream.extend_from_slice(b"MAIL FROM:<> SIZE=9\r\nRCPT TO:<x@example.test>\r\n");
        stream.extend_from_slice(b"RCPT TO:<x@elsewhere.test>\r\nDATA\r\n");
        stream.extend_from_slice(text);
    }
    stream.extend_from_slice(&b"x".repeat(200));
    stream.extend_from_slice(b"\r\n");
    if attack {
        stream.extend_from_slice(b"MAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nDATA\r\n");
        stream.extend_from_slice(b"a\n.\r\nMAIL FROM:<>\r\n");
    }
    stream.extend_from_slice(b"QUIT\r\n");
    stream
}

/// The replies, the messages taken, and whether the session was closed.
type Outcome = (Vec<u8>, Vec<(Envelope, Vec<u8>)>, bool);

fn run(stream: &[u8], cuts: &[usize]) -> Outcome {
    let mut played = Played::new(&edge(Settings {
        max_messages: 100,
        max_errors: 100,
        ..small()
    }));
    let mut rest = stream;
    for cut in cuts {
        let (now, later) = rest.split_at((*cut).min(rest.len()));
        played.send(now);
        rest = later;
    }
    played.send(rest);
    for (envelope, _) in &mut played.taken {
        envelope.session = 0;
    }
    (played.out, played.taken, played.closed)
}

#[test]
fn the_stream_is_taken_as_meant() {
    let (out, taken, closed) = run(&stream(true), &[]);
    let texts: Vec<&[u8]> = taken.iter().map(|(_, text)| text.as_slice()).collect();
    let want: [&[u8]; 5] = [
        b"a\r\n.b\r\n\r\n",
        b".\r\n",
        b"",
        b"busy\r\n",
        b"last \xff\r\n",
    ];
    assert_eq!(texts, want);
    assert!(closed);
    assert!(out.ends_with(b"closing (RFC 5321 section 2.3.8)\r\n"));
}

proptest! {
    /// However the network cuts the stream, the same messages are taken and the same replies given.
    #[test]
    fn cuts_change_nothing(cuts in prop::collection::vec(0usize..40, 0..200), attack: bool) {
        let stream = stream(attack);
        prop_assert_eq!(run(&stream, &cuts), run(&stream, &[]));
    }

    /// Nor does any stream at all make it panic or deliver a line end that is not CRLF.
    #[test]
    fn any_octets(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        let stream = pieces.concat();
        let (_, taken, _) = run(&stream, &[]);
        let singly = vec![1; stream.len()];
        prop_assert_eq!(&run(&stream, &singly).1, &taken);
        for (_, text) in taken {
            let text = String::from_utf8(text).unwrap().replace("\r\n", "");
            prop_assert!(!text.contains(['\r', '\n', '\0']));
        }
    }
}

const PIECES: [&[u8]; 13] = [
    b"EHLO c\r\n",
    b"MAIL FROM:<>\r\n",
    b"RCPT TO:<x@example.test>\r\n",
    b"DATA\r\n",
    b"text\r\n",
    b"\r\n.\r\n",
    b".",
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"RSET\r\n",
    b"QUIT\r\n",
];
