//! The splitter, on whole and broken structures.

use super::*;
use crate::formats::entity::{MOST_HEADERS, PEEK};

fn kinds(text: &str) -> (Vec<Kind>, Vec<&'static str>) {
    let message = Message::new(text.as_bytes());
    let kinds = message.parts.iter().map(|part| part.kind).collect();
    (kinds, message.defects)
}

#[test]
fn parts_by_boundary() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\npreamble --b\n--b-not\n--b\n\n\
        text\n--b  \nContent-Type: message/rfc822\n\nA: 1\n--b--\nepilogue\n--b\n";
    let message = Message::new(text.as_bytes());
    assert_eq!(message.parts.len(), 2);
    assert_eq!(message.parts[0].entity.body, b"text");
    assert_eq!(message.parts[1].entity.body, b"A: 1");
    assert!(message.defects.is_empty());
}

#[test]
fn lost_boundaries() {
    let (kinds, defects) = kinds("Content-Type: multipart/mixed\n\n--found\n\nx\n--found\n\ny");
    assert_eq!(kinds, [Kind::Text, Kind::Text]);
    assert_eq!(defects, [d::NO_BOUNDARY_PARAMETER, d::NO_CLOSING_BOUNDARY]);
}

#[test]
fn nesting_is_bounded() {
    let level = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
    let nest: String = (0..50).map(level).collect();
    assert!(kinds(&nest).1.contains(&d::TOO_DEEP));
    let many = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &"--b\n\n".repeat(500);
    let (parts, defects) = kinds(&many);
    assert!(parts.len() <= MOST_PARTS + 1);
    assert!(defects.contains(&d::TOO_MANY_PARTS));
    // Multiparts count too, or empty ones would be free.
    let empty = "--b\nContent-Type: multipart/mixed; boundary=b\n\n";
    let many = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &empty.repeat(500);
    let message = Message::new(many.as_bytes());
    assert!(message.seen <= MOST_PARTS + DEEPEST);
    assert!(message.defects.contains(&d::TOO_MANY_PARTS));
}

#[test]
fn line_ends() {
    for (text, defects) in [
        ("A: 1\r\nB: 2\r\n\r\nx", &[][..]),
        ("A: 1\nB: 2\n\nx", &[][..]),
        ("A: 1\rB: 2\r\rx", &[d::LONE_CR][..]),
        ("A: 1\r\nB: 2\n\r\nx", &[d::MIXED_LINE_ENDS][..]),
    ] {
        assert_eq!(kinds(text).1, defects, "{text:?}");
        assert_eq!(Message::new(text.as_bytes()).top.body, b"x");
    }
}

#[test]
fn encodings_decoded_or_left() {
    let body = |encoding: &str, text: &str| {
        let part = format!("Content-Transfer-Encoding: {encoding}\n\n{text}");
        let (body, decoded) = Entity::new(part.as_bytes()).decoded();
        (String::from_utf8_lossy(&body).into_owned(), decoded)
    };
    assert_eq!(body("BASE64", "QTogMQ=="), ("A: 1".into(), true));
    assert_eq!(body("quoted-printable", "A=3A 1"), ("A: 1".into(), true));
    let long = "QTogMQog\n".repeat(2_000);
    let part = format!("Content-Transfer-Encoding: base64\n\n{long}");
    let peek = Entity::new(part.as_bytes()).peek();
    assert!(
        peek.starts_with(b"A: 1\n ") && peek.len() < PEEK,
        "{}",
        peek.len()
    );
    assert_eq!(body("7bit", "A=3A 1"), ("A=3A 1".into(), false));
}

#[test]
fn soft_breaks_at_any_line_end() {
    for end in ["\n", "\r\n", "\r"] {
        let text = "Content-Transfer-Encoding: quoted-printable\n\nFeed=\nback: =41=\nB\n"
            .replace('\n', end);
        let (body, encoded) = Entity::new(text.as_bytes()).decoded();
        assert!(encoded);
        assert_eq!(String::from_utf8_lossy(&body).trim_end(), "Feedback: AB");
    }
}

#[test]
fn one_endless_line_is_cut_where_headers_are() {
    let line = "X: ".to_owned() + &"y".repeat(3 * LONGEST_HEAD);
    let entity = Entity::new(line.as_bytes());
    assert_eq!(entity.head.len(), LONGEST_HEAD);
    assert_eq!(entity.body.len(), line.len() - LONGEST_HEAD);
    let many = "a/b".to_owned() + &"; c=d".repeat(100_000) + "; boundary=x";
    assert_eq!(parameter(many.as_bytes(), "boundary"), None);
}

#[test]
fn headers_and_bodies_are_read_within_bounds() {
    let many = "X: y\n".repeat(MOST_HEADERS) + "Wanted: z\n\n";
    assert_eq!(Entity::new(many.as_bytes()).field("Wanted"), None);
    assert_eq!(
        Entity::new(&many.as_bytes()[5..]).field("Wanted"),
        Some(&b"z"[..])
    );
    for encoding in ["7bit", "base64", "quoted-printable"] {
        let head = format!("Content-Transfer-Encoding: {encoding}\n\n");
        let part = head + &"QUFB\n".repeat(MOST_DECODED / 2);
        let (body, _) = Entity::new(part.as_bytes()).decoded();
        assert!(body.len() <= MOST_DECODED && body.len() > MOST_DECODED / 2);
    }
}

#[test]
fn a_megabyte_of_empty_lines_is_not_gone_through() {
    let report = b"From a@a.example Mon Jan  1 00:00:00 2024\nSubject: x\n";
    let behind = |blank: usize| [vec![b'\n'; blank], report.to_vec()].concat();
    let (few, many) = (behind(100), behind(LONGEST_HEAD));
    assert!(skip_mbox(&few).1);
    let (rest, mbox) = skip_mbox(&many);
    assert_eq!((rest, mbox), (&b"Subject: x\n"[..], true));
    let more = behind(LONGEST_HEAD + 2);
    let (rest, mbox) = skip_mbox(&more);
    assert_eq!((rest.len(), mbox), (report.len() + 2, false));
}
