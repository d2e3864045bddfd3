//! The enclosed `Received` lines as hops, for telling what our own servers wrote. What a client could choose (its HELO
//! name, the envelope's addresses) is kept apart from what the server says of itself.

use super::received::{self, Hop as Line};
use super::recover::line;
use super::text;
use crate::domain::attribution::{Hop, MOST_HOPS};
use crate::domain::headers::{Fields, HeaderBlock};

/// The longest name that is taken.
const LONGEST: usize = 320;

/// Protocols of authenticated sessions (RFC 3848, RFC 6531, and Exim's older name).
const AUTHENTICATED: [&str; 7] = [
    "esmtpa",
    "esmtpsa",
    "asmtp",
    "lmtpa",
    "lmtpsa",
    "utf8smtpa",
    "utf8smtpsa",
];

/// Where a server says who authenticated: Postfix and Zimbra; Exim and others where they are set up to.
const LOGIN: [&str; 4] = [
    "(Authenticated sender: ",
    "authenticated_id=",
    "authenticated_id: ",
    "(authenticated as ",
];

/// All hops, from the top, the first few.
pub fn hops(headers: &HeaderBlock<'_>) -> Vec<Hop> {
    Fields::new(headers.as_bytes())
        .filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case(b"received"))
        .take(MOST_HOPS)
        .map(|(_, raw)| hop(&line(raw)))
        .collect()
}

fn hop(value: &str) -> Hop {
    let from = match received::hop(value) {
        Line::From(hop) => Some(hop.ip),
        Line::Local | Line::Unclear => None,
    };
    let value = value.trim();
    let starts = value.get(..5).unwrap_or_default();
    let by = match value.strip_prefix("by ") {
        Some(rest) => rest,
        None => value.split_once(" by ").map_or("", |(_, rest)| rest),
    };
    // The sender chose the envelope's addresses, in quotes even with blanks in them: behind these words nothing counts.
    let own = ["(envelope-from", " for "]
        .iter()
        .filter_map(|word| value.find(word))
        .min();
    let own = &value[..own.unwrap_or(value.len())];
    // Postfix says "using TLSv1.3 with cipher" before its own name.
    let protocol = own.rsplit_once(" by ").map_or(own, |(_, rest)| rest);
    let protocol = protocol
        .split_once(" with ")
        .map_or("", |(_, rest)| word(rest));
    let login = LOGIN.iter().find_map(|key| {
        let name = after(own, key)?;
        let name = name.split([')', ' ', ';']).next().unwrap_or_default();
        taken(name)
    });
    Hop {
        by: word(by).to_owned(),
        is_remote: starts.eq_ignore_ascii_case("from ") && !protocol.eq_ignore_ascii_case("local"),
        from,
        is_authenticated: login.is_some()
            || AUTHENTICATED
                .iter()
                .any(|p| p.eq_ignore_ascii_case(protocol)),
        login,
        envelope_from: after(value, "(envelope-from").and_then(address),
        recipient: value
            .rsplit_once(" for ")
            .and_then(|(_, rest)| address(rest)),
    }
}

/// What follows a key, whatever its case.
fn after<'v>(value: &'v str, key: &str) -> Option<&'v str> {
    let at = (0..value.len()).find(|at| {
        let here = value.get(*at..*at + key.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(key))
    })?;
    Some(&value[at + key.len()..])
}

fn word(text: &str) -> &str {
    let text = text.trim_start();
    text.split([' ', ';', '(', ')']).next().unwrap_or(text)
}

fn address(rest: &str) -> Option<String> {
    let rest = rest.trim_start_matches([' ', '=']);
    let first = rest.split([' ', ';', ')']).next()?;
    taken(text::unbracketed(first).0).filter(|address| address.contains('@'))
}

fn taken(name: &str) -> Option<String> {
    let name = name.trim_matches(|c| "<>'\"".contains(c));
    (!name.is_empty() && name.len() <= LONGEST).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logged_in_by_the_servers_own_word() {
        for (value, by, login, authenticated) in [
            (
                "from phone (x.isp.example [203.0.113.9]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) (Authenticated sender: Bob@b.example) by out.our.example (Postfix) with ESMTPSA id 1 for <x@y.example>; date",
                "out.our.example",
                Some("Bob@b.example"),
                true,
            ),
            (
                "from [203.0.113.9] (helo=phone) by out.our.example with esmtpsa (TLS1.3) (Exim 4.96) (envelope-from <a@b.example>) id 1 for x@y.example; date",
                "out.our.example",
                None,
                true,
            ),
            (
                "from [203.0.113.9] (helo=phone) by out.our.example with esmtpsa (authenticated_id=bob) (Exim 4.96) id 1; date",
                "out.our.example",
                Some("bob"),
                true,
            ),
            (
                "from [203.0.113.9] (helo=phone) by out.our.example with esmtp (Exim 4.96) (envelope-from <\"authenticated_id=victim \"@b.example>) id 1; date",
                "out.our.example",
                None,
                false,
            ),
            (
                "from x (x [203.0.113.9]) by out.our.example with ESMTP id 1 for <\"(Authenticated sender: victim)\"@y.example>; date",
                "out.our.example",
                None,
                false,
            ),
            (
                "by out.our.example (Postfix, from userid 33) id 1; date",
                "out.our.example",
                None,
                false,
            ),
            ("nonsense", "", None, false),
        ] {
            let hop = hop(value);
            assert_eq!(
                (hop.by.as_str(), hop.login.as_deref(), hop.is_authenticated),
                (by, login, authenticated),
                "{value}"
            );
        }
        let exim = hop(
            "from nobody by srv.our.example with local (Exim 4.96) (envelope-from <a@b.example>) id 1; date",
        );
        assert_eq!((exim.is_remote, exim.from), (false, None));
        assert_eq!(exim.envelope_from.as_deref(), Some("a@b.example"));
        let forwarded = hop(
            "from mx.other.example (mx.other.example [198.51.100.7]) by in.our.example with ESMTP id 2 for <bob@b.example>; date",
        );
        assert_eq!(forwarded.recipient.as_deref(), Some("bob@b.example"));
        assert!(forwarded.is_remote && forwarded.from.is_some());
    }
}
