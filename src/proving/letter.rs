//! What the outer headers of a message say that bears on its signatures, read before anything is verified.

use crate::domain::feed::checks::{Checks, DkimCheck, Outcome};
use jiff::Timestamp;
use mail_auth::{AuthenticatedMessage, dkim};
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};

/// Fields whose cover matters.
const FIELDS: [&str; 5] = ["from", "to", "cc", "date", CONTENT_TYPE];
const CONTENT_TYPE: &str = "content-type";
/// Signatures that are recorded; what a message has beyond them is not looked at.
const MOST: usize = 16;
/// Addresses of `To` and `Cc` that are looked at.
const MOST_ADDRESSES: usize = 100;
/// The longest text that is recorded of a signature.
const LONGEST: usize = 255;

/// Reads a message and hashes its body as its signatures ask for. Those that cover only a part of the body are
/// set aside by the library: each could ask for a hash of its own. None where there are no headers.
pub(super) fn parse(message: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let mut parsed = AuthenticatedMessage::parse_with_opts(message, None, true)?;
    parsed.dkim_headers.truncate(MOST);
    Some(parsed)
}

/// The headers alone: enough to say which signatures are worth more.
pub(super) fn headers(message: &[u8]) -> &[u8] {
    let ends = memchr::memchr_iter(b'\n', message);
    for at in ends {
        let rest = &message[at + 1..];
        if rest.starts_with(b"\r\n") || rest.starts_with(b"\n") {
            return &message[..at + 1];
        }
    }
    message
}

/// Notes what the headers of this text say, and each signature as not looked at yet.
pub(super) fn describe(message: &AuthenticatedMessage<'_>, text: &[u8], found: &mut Checks) {
    let count = |name: &str| {
        let all = message.headers.iter();
        all.filter(|(found, _)| found.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()))
            .count()
    };
    found.from = match (count("from"), message.from.as_slice()) {
        (1, [one]) => one
            .rsplit_once('@')
            .map(|(_, domain)| domain.to_lowercase()),
        _ => None,
    };
    for (name, value) in &message.headers {
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"to") || name.eq_ignore_ascii_case(b"cc") {
            let value = MessageStream::new(value).parse_address();
            add_addresses(&value, &mut found.addressed);
        } else if name.eq_ignore_ascii_case(b"date") && count("date") == 1 {
            let date = MessageStream::new(value).parse_date();
            let seconds = date.as_datetime().map(|date| date.to_timestamp());
            found.date = seconds.and_then(|s| Timestamp::from_second(s).ok());
        }
    }
    let body = &text[headers(text).len()..];
    let divided = is_divided_as_said(&message.headers, body);
    let of = |signature: &dkim::Signature| DkimCheck {
        domain: cut(&signature.d.to_lowercase()),
        selector: cut(&signature.s),
        result: Outcome::Skipped,
        note: None,
        signed_at: seconds(signature.t),
        expires_at: seconds(signature.x),
        part_of_body: signature.l > 0,
        covers: FIELDS
            .into_iter()
            .filter(|field| {
                let signed = signature.h.iter();
                let signed = signed
                    .filter(|h| h.trim().eq_ignore_ascii_case(field))
                    .count();
                // What is not there cannot be read wrongly, but From must be.
                (signed >= count(field) && (signed > 0 || *field != "from"))
                    || (*field == CONTENT_TYPE && divided)
            })
            .map(str::to_owned)
            .collect(),
    };
    found.dkim = message.dkim_headers.iter().map(|h| of(&h.header)).collect();
    let is_part = |error: &mail_auth::Error| {
        matches!(
            error,
            mail_auth::Error::Dkim(dkim::DkimError::SignatureLength)
        )
    };
    let parts = message.errors.iter().filter(|e| is_part(&e.header));
    let parts = parts.filter_map(|e| dkim::Signature::parse(e.value).ok());
    found.dkim.extend(parts.take(MOST).map(|s| of(&s)));
}

/// Whether the body, which is signed, bears out what Content-Type says of it: the first line that could part it shows
/// the boundary. Many loops do not sign the field; whoever exchanged it could have a report read that the spammer
/// wrote inside his mail.
fn is_divided_as_said(headers: &[(&[u8], &[u8])], body: &[u8]) -> bool {
    let mut values = headers
        .iter()
        .filter(|(name, _)| {
            name.trim_ascii_end()
                .eq_ignore_ascii_case(CONTENT_TYPE.as_bytes())
        })
        .map(|(_, value)| String::from_utf8_lossy(value));
    let Some(value) = values.next() else {
        return true;
    };
    if values.next().is_some() {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let mut boundaries = lower.match_indices("boundary").filter_map(|(at, name)| {
        let before = value[..at].chars().next_back();
        let rest = value[at + name.len()..].trim_start();
        let apart = before.is_none_or(|c| c == ';' || c.is_whitespace());
        // With a star it is written in pieces or encoded (RFC 2231).
        (apart && rest.starts_with(['=', '*'])).then_some(rest)
    });
    let Some(rest) = boundaries.next() else {
        return true;
    };
    if boundaries.next().is_some() {
        return false;
    }
    let Some(said) = rest.strip_prefix('=').map(str::trim_start) else {
        return false;
    };
    let said = said.strip_prefix('"').unwrap_or(said);
    let mut lines = body.split(|b| matches!(b, b'\n' | b'\r'));
    let first = lines.find_map(|line| line.strip_prefix(b"--"));
    let Some(first) = first.map(|line| String::from_utf8_lossy(line.trim_ascii_end())) else {
        return true;
    };
    let ends = |c: char| c == '"' || c == ';' || c.is_whitespace();
    let rest = said.strip_prefix(&*first);
    !first.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(ends))
}

fn add_addresses(value: &HeaderValue<'_>, all: &mut Vec<String>) {
    let HeaderValue::Address(address) = value else {
        return;
    };
    let list: Vec<_> = match address {
        Address::List(list) => list.iter().collect(),
        Address::Group(groups) => groups.iter().flat_map(|g| &g.addresses).collect(),
    };
    let left = MOST_ADDRESSES.saturating_sub(all.len());
    let texts = list.into_iter().filter_map(|a| a.address.as_deref());
    all.extend(texts.take(left).map(|a| cut(&a.to_lowercase())));
}

fn seconds(since_1970: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(since_1970).ok().filter(|s| *s > 0)?;
    Timestamp::from_second(seconds).ok()
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// A library's error as it is recorded.
pub(super) fn short(error: &mail_auth::Error) -> String {
    cut(&error.to_string().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(message: &str) -> Checks {
        let mut found = Checks::default();
        let message = message.as_bytes();
        describe(&parse(message).unwrap(), message, &mut found);
        found
    }

    const SIGNATURE: &str = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=A.example; s=s1; t=1700000000;\r\n\
        \tx=1700000100; l=5; h=From:To; bh=aGFzaA==; b=c2ln\r\n";

    #[test]
    fn facts_of_a_signed_message() {
        let found = checks(&format!(
            "{SIGNATURE}From: X <x@M.a.example>\r\nTo: <One@us.example>, two@us.example\r\n\
             Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\nbody\r\n"
        ));
        assert_eq!(found.from.as_deref(), Some("m.a.example"));
        assert_eq!(found.addressed, ["one@us.example", "two@us.example"]);
        assert_eq!(found.date.unwrap().as_second(), 1_700_000_000);
        let [dkim] = found.dkim.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (dkim.domain.as_str(), dkim.selector.as_str()),
            ("a.example", "s1")
        );
        assert_eq!(dkim.signed_at.unwrap().as_second(), 1_700_000_000);
        assert_eq!(dkim.expires_at.unwrap().as_second(), 1_700_000_100);
        assert!(dkim.part_of_body);
        assert_eq!(
            dkim.covers,
            ["from", "to", "cc", "content-type"],
            "Date is there and not covered"
        );
    }

    #[test]
    fn more_fields_than_are_covered_are_not_covered() {
        let found = checks(&format!(
            "{SIGNATURE}From: x@a.example\r\nFrom: y@b.example\r\nTo: a@b\r\nTo: c@d\r\n\r\n"
        ));
        assert_eq!(found.from, None);
        assert_eq!(found.dkim[0].covers, ["cc", "date", "content-type"]);
        for from in ["x@a.example, y@a.example", "nobody", ""] {
            assert_eq!(
                checks(&format!("{SIGNATURE}From: {from}\r\n\r\n")).from,
                None,
                "{from}"
            );
        }
    }

    #[test]
    fn a_body_that_is_divided_otherwise() {
        for (headers, body, want) in [
            (
                "Content-Type: multipart/report; boundary=\"a b\"",
                "pre\r\n--a b \r\n--c\r\n",
                true,
            ),
            (
                "Content-Type: multipart/report;\r\n Boundary = b1; x=y",
                "--b1\r\n",
                true,
            ),
            (
                "content-type: multipart/report; boundary=boundary=1",
                "--boundary=1\r\n",
                true,
            ),
            ("Content-Type: text/plain", "--b1\r\n", true),
            ("Subject: x", "--b1\r\n", true),
            (
                "Content-Type: multipart/report; boundary=b2",
                "--b1\r\n--b2\r\n",
                false,
            ),
            (
                "Content-Type: multipart/report; boundary=b1x",
                "--b1\r\n",
                false,
            ),
            (
                "Content-Type: multipart/report; boundary=b1; boundary=b2",
                "--b1\r\n",
                false,
            ),
            (
                "Content-Type: multipart/report; boundary*0=b; boundary*1=1",
                "--b1\r\n",
                false,
            ),
            (
                "Content-Type: multipart/report; boundary=b1\r\nContent-Type: x/y",
                "--b1\r\n",
                false,
            ),
        ] {
            let found = checks(&format!(
                "{SIGNATURE}From: x@a.example\r\n{headers}\r\n\r\n{body}"
            ));
            let covered = found.dkim[0].covers.iter().any(|c| c == CONTENT_TYPE);
            assert_eq!(covered, want, "{headers} {body}");
        }
        let signed = SIGNATURE.replace("From:To", "From:Content-Type");
        let found = checks(&format!(
            "{signed}From: x@a.example\r\nContent-Type: a/b; boundary*0=b\r\n\r\n--c\r\n"
        ));
        assert_eq!(
            found.dkim[0].covers,
            ["from", "to", "cc", "date", "content-type"]
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let to = vec!["a@b.example"; 1000].join(", ");
        let found = checks(&format!(
            "{}From: x@a.example\r\nTo: {to}\r\n\r\n",
            SIGNATURE.repeat(500)
        ));
        assert_eq!(
            (found.dkim.len(), found.addressed.len()),
            (MOST, MOST_ADDRESSES)
        );
        let whole = SIGNATURE.replace("l=5; ", "").repeat(500);
        assert_eq!(
            checks(&format!("{whole}From: x@a.example\r\n\r\n"))
                .dkim
                .len(),
            MOST
        );
    }

    #[test]
    fn headers_end_at_the_first_empty_line() {
        for (message, want) in [
            ("A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n", "A: 1\r\nB: 2\r\n"),
            ("A: 1\n\nbody", "A: 1\n"),
            ("A: 1\r\n", "A: 1\r\n"),
            ("", ""),
        ] {
            assert_eq!(headers(message.as_bytes()), want.as_bytes());
        }
    }
}
