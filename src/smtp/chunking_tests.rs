//! Dialogues in chunks (RFC 3030). A chunk's line in a script counts with its CRLF.

use super::*;

const ENVELOPE: &str = "> MAIL FROM:<a@b>
                        < 250 2.1.0 Sender OK
                        > RCPT TO:<x@example.test>
                        < 250 2.1.5 Recipient OK\n";

fn envelope(script: &str) -> String {
    hello(&format!("{ENVELOPE}{script}"))
}

#[test]
fn one_chunk_and_many() {
    let played = play(
        small(),
        &envelope(&format!(
            "> BDAT 8 LAST
             > ..one\\n
             < 250 2.0.0 Filed 1
             {ENVELOPE}> BDAT 5
             > two
             < 250 2.0.0 Chunk received
             > NOOP
             < 250 2.0.0 OK
             > bdat 3
             > .
             < 250 2.0.0 Chunk received
             > BDAT 0
             < 250 2.0.0 Chunk received
             > BDAT 0 last
             < 250 2.0.0 Filed 2
             {ENVELOPE}> BDAT 6 LAST
             > busy
             < 451 4.3.0 Busy
             > DATA
             < 503 5.5.1 Bad sequence of commands"
        )),
    );
    let texts: Vec<&[u8]> = played.taken.iter().map(|(_, text)| &text[..]).collect();
    assert_eq!(texts, [&b"..one\n\r\n"[..], b"two\r\n.\r\n", b"busy\r\n"]);
    assert_eq!(played.taken[1].0.mail_from, "a@b");
    assert_eq!(played.taken[1].0.rcpt_to, ["x@example.test"]);
}

#[test]
fn chunks_and_data_do_not_mix() {
    let played = play(
        small(),
        &envelope(
            "> BDAT 3
             > a
             < 250 2.0.0 Chunk received
             > DATA
             < 503 5.5.1 Bad sequence of commands
             > MAIL FROM:<c@d>
             < 503 5.5.1 Bad sequence of commands
             > RCPT TO:<x@elsewhere.test>
             < 503 5.5.1 Bad sequence of commands
             > BDAT 3 LAST
             > b
             < 250 2.0.0 Filed 1
             > BDAT 6 LAST
             > QUIT
             < 503 5.5.1 Bad sequence of commands
             > NOOP
             < 250 2.0.0 OK",
        ),
    );
    assert_eq!(played.taken[0].1, b"a\r\nb\r\n");
    assert_eq!(played.taken[0].0.mail_from, "a@b");
}

#[test]
fn reset_and_hello_forget_the_chunks_and_what_they_held() {
    for (command, reply) in [("RSET", "250 2.0.0 OK"), ("HELO d", "250 mx.test")] {
        let played = play(
            Settings {
                max_errors: 9,
                ..small()
            },
            &envelope(&format!(
                "> BDAT 90
                 > 345678901234567890123456789012345678901234567890
                 > 34567890123456789012345678901234567890
                 < 250 2.0.0 Chunk received
                 > {command}
                 < {reply}
                 > BDAT 6 LAST
                 > QUIT
                 < 503 5.5.1 Bad sequence of commands
                 > DATA
                 < 503 5.5.1 Bad sequence of commands
                 {ENVELOPE}> BDAT 90 LAST
                 > 345678901234567890123456789012345678901234567890
                 > 34567890123456789012345678901234567890
                 < 250 2.0.0 Filed 1"
            )),
        );
        assert_eq!(played.taken[0].1.len(), 90);
    }
}

#[test]
fn chunks_of_a_refused_message_are_dropped_in_step() {
    let played = play(
        small(),
        &hello(&format!(
            "> BDAT 6
             > QUIT
             < 503 5.5.1 Bad sequence of commands
             > MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > BDAT 6 LAST
             > QUIT
             < 503 5.5.1 Bad sequence of commands
             > RCPT TO:<x@elsewhere.test>
             < 550 5.1.1 No such mailbox here
             > BDAT 6
             > QUIT
             < 554 5.5.1 No valid recipients
             > BDAT 6 LAST
             > QUIT
             < 554 5.5.1 No valid recipients
             > RSET
             < 250 2.0.0 OK
             {ENVELOPE}> BDAT 3
             > a
             < 250 2.0.0 Chunk received
             > RSET
             < 250 2.0.0 OK"
        )),
    );
    assert!(played.taken.is_empty());
    // Two chunks of one mistake count once.
    assert_eq!(played.session.errors, 4);
}

#[test]
fn too_large_by_the_sum_of_its_chunks() {
    let edge = edge(small());
    let mut played = Played::new(&edge);
    played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nBDAT 50\r\n");
    played.send(&b"12345678\r\n".repeat(5));
    assert!(!edge.budget.has_room(51));
    // From the moment it is announced nothing of the message is held any more.
    played.send(b"BDAT 51\r\n");
    assert!(edge.budget.has_room(100));
    played.out.clear();
    played.send(&b"x".repeat(51));
    played.send(b"BDAT 1\r\nxBDAT 2 LAST\r\nxxNOOP\r\n");
    let out = String::from_utf8(played.out.clone()).unwrap();
    let refused = "552 5.3.4 Message too large\r\n";
    assert_eq!(out, format!("{}250 2.0.0 OK\r\n", refused.repeat(3)));
    assert!(played.taken.is_empty());
    // One mistake at its chunks, one at its end.
    assert_eq!(played.session.errors, 2);
    assert_eq!(edge.count.rejected.get(), 1);
}

#[test]
fn without_room_the_whole_message_is_put_off() {
    let edge = edge(small());
    let begin = b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n";
    let (mut one, mut two) = (Played::new(&edge), Played::new(&edge));
    one.send(begin);
    two.send(begin);
    one.send(b"BDAT 100\r\n");
    one.send(&b"x\r\n".repeat(30));
    two.out.clear();
    two.send(b"BDAT 11\r\n12345678\r\nx");
    one.send(&b"x".repeat(10));
    assert!(edge.budget.has_room(0) && !edge.budget.has_room(1));
    one.send(b"RSET\r\n");
    // There is room again, but what was lost of the message stays lost.
    two.send(b"BDAT 2 LAST\r\nxxMAIL FROM:<>\r\n");
    let room = "452 4.3.1 Too much mail in flight, try again\r\n";
    let out = String::from_utf8(two.out.clone()).unwrap();
    assert_eq!(out, format!("{room}{room}250 2.1.0 Sender OK\r\n"));
    assert!(two.taken.is_empty());
    // And the same when there is none from the start.
    let mut three = Played::new(&edge);
    three.send(begin);
    one.send(b"MAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nBDAT 100\r\n");
    one.send(&b"x".repeat(58));
    one.send(&b"\r\n".repeat(21));
    three.out.clear();
    three.send(b"BDAT 1\r\nx");
    one.send(b"RSET\r\n");
    three.send(b"BDAT 1 LAST\r\nxMAIL FROM:<>\r\n");
    let out = String::from_utf8(three.out.clone()).unwrap();
    assert_eq!(out, format!("{room}{room}250 2.1.0 Sender OK\r\n"));
}

#[test]
fn lines_in_chunks_are_as_long_as_elsewhere() {
    let line = |len: usize| [&b"x".repeat(len - 2)[..], b"\r\n"].concat();
    for (first, second, fits) in [
        (line(60), line(30), true),
        (line(61), line(30), false),
        (b"x".repeat(40), line(20), true),
        (b"x".repeat(40), line(21), false),
        (b"x".repeat(61), b"\n".to_vec(), false),
    ] {
        let mut played = Played::new(&edge(small()));
        played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n");
        played.send(format!("BDAT {}\r\n", first.len()).as_bytes());
        played.send(&first);
        played.send(format!("BDAT {} LAST\r\n", second.len()).as_bytes());
        played.send(&second);
        assert_eq!(played.taken.len(), usize::from(fits));
        let out = String::from_utf8(played.out).unwrap();
        assert_eq!(out.ends_with("500 5.6.0 Line of text too long\r\n"), !fits);
    }
}

#[test]
fn a_chunk_of_unknown_size_ends_the_session() {
    for line in [
        "BDAT",
        "BDAT ",
        "BDAT LAST",
        "BDAT x",
        "BDAT -1",
        "BDAT +1",
        "BDAT 0x10",
        "BDAT 1.5 LAST",
        "BDAT 18446744073709551616",
        "BDAT 000000000000000000001",
        "BDAT 99999999999999999999999999",
        "BDAT 5 FIRST",
        "BDAT 5 LAST LAST",
        "BDAT 5LAST",
    ] {
        for begun in ["", "> BDAT 3\n> x\n< 250 2.0.0 Chunk received\n"] {
            let script = format!(
                "{begun}> {line}\n< 501 5.5.4 Size of the chunk not understood, closing\nclosed"
            );
            let mut played = play(small(), &envelope(&script));
            played.send(b"MAIL FROM:<evil@x>\r\n");
            assert!(played.out.is_empty() && played.taken.is_empty());
        }
    }
}

#[test]
fn the_largest_chunk_is_read_in_step_as_far_as_it_comes() {
    let mut played = Played::new(&edge(small()));
    played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n");
    played.out.clear();
    played.send(b"BDAT 18446744073709551615 LAST\r\n");
    for _ in 0..100 {
        played.send(&b"QUIT\r\n".repeat(1_000));
        assert!(played.input.is_empty() && played.out.is_empty());
    }
    assert!(matches!(played.session.awaits(), Awaits::Text(_)));
}

#[test]
fn every_octet_is_kept_however_it_comes() {
    let every: Vec<u8> = (0..=255).chain(*b"\n.\r\n.\r.\r\n\0").collect();
    let settings = || Settings {
        max_message_size: 1_000,
        max_bytes_in_flight: 1_000,
        max_line: 1_000,
        ..small()
    };
    for size in [1, 2, 7, 1_000] {
        let mut stream =
            b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nBDAT 100\r\n".to_vec();
        stream.extend_from_slice(&every[..100]);
        stream.extend_from_slice(format!("BDAT {} LAST\r\n", every.len() - 100).as_bytes());
        stream.extend_from_slice(&every[100..]);
        stream.extend_from_slice(b"QUIT\r\n");
        let mut played = Played::new(&edge(settings()));
        stream.chunks(size).for_each(|piece| played.send(piece));
        assert_eq!(played.taken[0].1, every);
        assert!(played.closed);
    }
}

#[test]
fn what_is_awaited_knows_the_message_from_its_commands() {
    let mut played = Played::new(&edge(small()));
    played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n");
    assert_eq!(played.session.awaits(), Awaits::Command(3));
    played.send(b"BDAT 2\r\nx");
    assert_eq!(played.session.awaits(), Awaits::Text(4));
    played.send(b"x");
    assert_eq!(
        played.session.awaits(),
        Awaits::Chunk {
            message: 4,
            command: 4
        }
    );
    played.send(b"NOOP\r\n");
    assert_eq!(
        played.session.awaits(),
        Awaits::Chunk {
            message: 4,
            command: 5
        }
    );
    played.send(b"BDAT 2\r\n");
    assert_eq!(played.session.awaits(), Awaits::Text(4));
    played.send(b"xxBDAT 0 LAST\r\n");
    assert_eq!(played.session.awaits(), Awaits::Command(7));
    assert_eq!(played.taken.len(), 1);
}

#[test]
fn a_session_that_ends_gives_its_text_back_at_once() {
    for end in ["QUIT\r\n", "BDAT\r\n", "A\r\nA\r\nA\r\nA\r\nA\r\n", "A\n"] {
        let edge = edge(small());
        let mut played = Played::new(&edge);
        played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nBDAT 50\r\n");
        played.send(&b"12345678\r\n".repeat(5));
        assert!(!edge.budget.has_room(51));
        played.send(end.as_bytes());
        assert!(played.closed && edge.budget.has_room(100), "{end}");
    }
}
