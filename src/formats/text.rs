//! Raw bytes to strings that may be stored: unfolded, without NUL (PostgreSQL refuses it), valid UTF-8, and no
//! longer than anybody needs. Encoded words (RFC 2047) are decoded only where a person reads the value.

use super::defects as d;
use crate::domain::headers::unfold;
use mail_parser::parsers::MessageStream;
use std::net::{IpAddr, Ipv6Addr};

/// Bytes kept of one value.
pub(super) const LONGEST: usize = 4_096;

/// A value ready to be kept; what had to be done to it goes to `note`.
pub(super) fn clean(raw: &[u8], note: &mut impl FnMut(&'static str)) -> String {
    let mut raw = raw.trim_ascii();
    if raw.len() > LONGEST {
        note(d::VALUE_CUT);
        raw = &raw[..LONGEST];
        // A character may have been cut in two: drop its first bytes.
        let tail = raw.iter().rev().take(3).position(|b| *b >= 0xC0);
        if let Some(tail) = tail {
            raw = &raw[..raw.len() - tail - 1];
        }
    }
    let text = match std::str::from_utf8(raw) {
        Ok(text) if !text.contains(['\r', '\n', '\0']) => return text.to_owned(),
        Ok(_) => unfold(raw),
        Err(_) => {
            note(d::NOT_UTF8);
            unfold(raw)
        }
    };
    let mut text = text.into_owned();
    if text.contains('\0') {
        note(d::NUL);
        text.retain(|c| c != '\0');
    }
    text
}

/// As [`clean`], with encoded words decoded.
pub(super) fn decoded(raw: &[u8], note: &mut impl FnMut(&'static str)) -> String {
    let text = clean(raw, note);
    if !text.contains("=?") {
        return text;
    }
    let line = text + "\n";
    let value = MessageStream::new(line.as_bytes()).parse_unstructured();
    let mut decoded = value.into_text().unwrap_or_default().into_owned();
    decoded.retain(|c| c != '\0');
    decoded.trim().to_owned()
}

/// A subject from where it begins with `words`, behind whatever tags gateways put before it: `[EXTERNAL]`, `***SPAM***`.
/// None for an answer or a forward.
pub(super) fn behind_tags<'v>(subject: &'v str, words: &str) -> Option<&'v str> {
    let (before, _) = subject.split_once(words)?;
    let tags = before.trim();
    let tagged = tags.starts_with(['[', '{', '(', '*']) && tags.ends_with([']', '}', ')', '*']);
    (tags.is_empty() || tagged).then(|| &subject[before.len()..])
}

/// An address without its angle brackets (RFC 5321 section 4.1.2), and whether it had them.
pub(super) fn unbracketed(value: &str) -> (&str, bool) {
    let value = value.trim();
    match value.strip_prefix('<') {
        Some(rest) => (rest.strip_suffix('>').unwrap_or(rest).trim(), true),
        None => (value, false),
    }
}

/// An IP address in any of the forms seen: bare, in brackets, with `IPv6:`, quoted; mapped IPv4 is unmapped.
pub(super) fn address(word: &str) -> Option<IpAddr> {
    let word = word.trim_matches(|c: char| "[]()<>\"',;".contains(c) || c.is_whitespace());
    let word = match word.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => &word[5..],
        _ => word,
    };
    let ip = match word.parse() {
        Ok(ip) => ip,
        Err(_) => IpAddr::V6(word.split_once('%')?.0.parse::<Ipv6Addr>().ok()?),
    };
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_all_clothes() {
        for (text, want) in [
            ("192.0.2.1", "192.0.2.1"),
            ("[IPv6:2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("(fe80::1%eth0)", "fe80::1"),
        ] {
            assert_eq!(address(text), want.parse().ok(), "{text}");
        }
        assert_eq!(address("x.x.x.x"), None);
        assert_eq!(address("é"), None);
    }

    #[test]
    fn subjects_behind_tags() {
        for (subject, want) in [
            ("complaint about x", Some("complaint about x")),
            ("[EXTERNAL] complaint about x", Some("complaint about x")),
            (
                "***é*** {Spam?} complaint about x",
                Some("complaint about x"),
            ),
            ("Re: complaint about x", None),
            ("Undeliverable: [x] complaint about x", None),
            ("[x] Re: complaint about x", None),
            ("x", None),
        ] {
            assert_eq!(behind_tags(subject, "complaint about"), want, "{subject}");
        }
    }

    #[test]
    fn cleaned_and_cut() {
        let mut notes = Vec::new();
        let mut note = |code| notes.push(code);
        assert_eq!(clean(b" a\0b\r\n c ", &mut note), "ab c");
        let long = "é".repeat(LONGEST);
        assert!(clean(long.as_bytes(), &mut note).len() <= LONGEST);
        assert_eq!(clean(b"\xff", &mut note), "\u{fffd}");
        assert_eq!(
            decoded(b"=?utf-8?q?caf=C3=A9?= au lait", &mut note),
            "café au lait"
        );
        assert_eq!(notes, [d::NUL, d::VALUE_CUT, d::NOT_UTF8]);
    }
}
