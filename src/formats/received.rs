//! One `Received` line (RFC 5321 section 4.4) in the shapes of Exim, Postfix, qmail, Exchange and the large
//! providers: which address handed the message over. The HELO name is the client's to choose and never counts:
//! a hop is inside the house only by the name that the receiver looked up.

use super::{houses, text};
use std::net::IpAddr;

/// What one hop says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hop<'v> {
    /// A hand-over inside one host.
    Local,
    /// From another host.
    From(HandOver<'v>),
    /// From another host, but not from which.
    Unclear,
}

/// A hand-over from one host to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HandOver<'v> {
    /// The address that the receiver saw.
    pub ip: IpAddr,
    /// The sender's name as the receiver looked it up; empty where it did not.
    pub verified: &'v str,
    /// The sender's name as it gave it.
    pub claimed: &'v str,
    /// The receiver.
    pub by: &'v str,
    /// Whether both are of one house.
    pub inside: bool,
}

impl Hop<'_> {
    /// Whether the message stayed with the receiver: on one host, in one house or in a private network.
    pub fn is_inside(&self) -> bool {
        match self {
            Self::Local => true,
            Self::From(hop) => hop.inside || !houses::is_public(hop.ip),
            Self::Unclear => false,
        }
    }
}

/// Services that take complaints in for others: a complainant's provider sends them the message as mail, so their
/// hop, and the `for` in it, are the report's way and not the message's.
const LOOP_SERVICES: [&str; 3] = [
    "senderscore.net",
    "returnpath.net",
    "emaildefenseservice.com",
];

/// Whether the hop only brought the complaint to such a service. The receiver wrote both names.
pub(super) fn is_to_loop(value: &str) -> bool {
    let after = |word: &str| {
        let (_, rest) = value.split_once(word)?;
        let name = rest
            .trim_start_matches([' ', '<'])
            .split([' ', '\t', ';', '>'])
            .next()?;
        Some(name.rsplit('@').next().unwrap_or(name).to_ascii_lowercase())
    };
    [after(" by "), after(" for ")]
        .iter()
        .flatten()
        .any(|host| {
            LOOP_SERVICES
                .iter()
                .any(|service| houses::ends_in(host, service))
        })
}

/// Reads one unfolded value.
pub(super) fn hop(value: &str) -> Hop<'_> {
    let value = value.trim();
    let starts = value.get(..5).unwrap_or_default();
    let local = || {
        value
            .split_once(" by ")
            .is_some_and(|(_, by)| by.contains(" with LMTP"))
    };
    if !starts.eq_ignore_ascii_case("from ") || is_to_loop(value) || local() {
        return Hop::Local; // LMTP (RFC 2033) is spoken inside a house only
    }
    let value = &value[5..];
    let (from, by) = match value
        .split_once(" by ")
        .or_else(|| value.split_once("\tby "))
    {
        Some((from, by)) => (from, by),
        None => (value, ""),
    };
    let (by, rest) = by.split_at(by.find([' ', '\t', ';']).unwrap_or(by.len()));
    let name = from.split_ascii_whitespace().next().unwrap_or_default();
    let mut found = None;
    let mut verified = "";
    let mut helo = false;
    for group in from.split('(').skip(1) {
        let group = group.split(')').next().unwrap_or(group);
        let first = group.get(..4).unwrap_or_default().to_ascii_lowercase();
        if matches!(first.as_str(), "helo" | "ehlo" | "lhlo") {
            helo = true;
            continue;
        }
        let mut words = group.split_ascii_whitespace();
        let Some(ip) = words.clone().filter_map(text::address).next_back() else {
            continue;
        };
        found = Some(ip);
        verified = match words.next().unwrap_or_default() {
            _ if group.contains("helo=") => name, // Exim: the looked-up name stands first
            word if text::address(word).is_none() => word, // Postfix, sendmail: it stands in the comment
            _ => "",
        };
    }
    if from.contains("may be forged") {
        verified = "";
    }
    if found.is_none() && helo {
        found = text::address(name); // Exim: from [192.0.2.1] (helo=...); Yahoo without brackets
    }
    let by_web = || rest.contains(" with HTTP") && !rest.contains("SMTP");
    if found.is_none() && by_web() && text::address(name).is_some_and(|ip| !houses::is_public(ip)) {
        return Hop::Local; // Yahoo: from 10.1.2.3 by store.example with HTTP; what SMTP clients say is never taken so
    }
    let Some(ip) = found else {
        return Hop::Unclear;
    };
    // Exchange looks up no names, but says its own address: a neighbour that gives a name of the house is of the house.
    let own = rest.trim_start().strip_prefix('(');
    let own = own.and_then(|own| text::address(own.split([')', ' ']).next()?));
    let near = own.is_some_and(|own| houses::are_near(own, ip));
    Hop::From(HandOver {
        ip,
        verified,
        claimed: name,
        by,
        inside: houses::same(verified, by)
            || near && houses::same(name, by)
            || houses::within_microsoft(ip, name, by),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address, or the word for a hop without one.
    fn source(line: &str) -> Result<&'static str, IpAddr> {
        match hop(line) {
            Hop::Local => Ok("local"),
            Hop::Unclear => Ok("unclear"),
            Hop::From(hop) => Err(hop.ip),
        }
    }

    fn from(ip: &str) -> Result<&'static str, IpAddr> {
        Err(ip.parse().unwrap())
    }

    #[test]
    fn shapes_of_many_servers() {
        for (line, want) in [
            (
                "from a.example (a.example [192.0.2.1]) by mx.example.net with SMTP",
                from("192.0.2.1"),
            ),
            (
                "from 127.0.0.1  (EHLO a.example) (192.0.2.8)  by mta.example.net",
                from("192.0.2.8"),
            ),
            (
                "from x (HELO ?192.0.2.7?) (192.0.2.9) by y.example",
                from("192.0.2.9"),
            ),
            (
                "from [203.0.113.68] (helo=phone) by mx.example.net",
                from("203.0.113.68"),
            ),
            (
                "from a.example ([IPv6:2001:db8::1]) by b.example.net",
                from("2001:db8::1"),
            ),
            (
                "from a ([192.0.2.3] helo=[192.0.2.4]) by b",
                from("192.0.2.3"),
            ),
            ("by mx.example.net with LMTP", Ok("local")),
            (
                "from a.example (LHLO a.example) (192.0.2.1) by b.example with LMTP; date",
                Ok("local"),
            ),
            (
                "from out.isp.example (out.isp.example [192.0.2.1]) by mx.senderscore.net with ESMTP",
                Ok("local"),
            ),
            (
                "from mx.senderscore.net (a.example [192.0.2.1]) by mx.isp.example for <a@isp.example>",
                from("192.0.2.1"),
            ),
            ("(qmail 1 invoked by uid 910)", Ok("local")),
            (
                "from 10.1.2.3 by store.isp.example pod-id NONE with HTTP; date",
                Ok("local"),
            ),
            (
                "from 10.1.2.3 by mx.isp.example with SMTP; date",
                Ok("unclear"),
            ),
            (
                "from 192.0.2.1 by store.isp.example with HTTP; date",
                Ok("unclear"),
            ),
            (
                "from 192.0.2.1 (EHLO a.example) by 10.1.2.4 with SMTPs (version=TLS1_3); date",
                from("192.0.2.1"),
            ),
            (
                "from [192.0.2.5] by web.example.net via HTTP",
                Ok("unclear"),
            ),
        ] {
            assert_eq!(source(line), want, "{line}");
        }
        for line in [
            "from x.isp.example (evil.example [192.0.2.6]) by mx.isp.example; date",
            "from x.isp.example ([192.0.2.6]) by mx.isp.example",
            "from x.isp.example (192.0.2.6) by mx.isp.example",
            "from x.isp.example (y.isp.example [192.0.2.6] (may be forged)) by mx.isp.example",
            "from a.shop.co.uk (a.shop.co.uk [192.0.2.6]) by mx.isp.co.uk",
            "from exch01.corp.local (192.0.2.6) by exch02.corp.local (198.51.100.10) with Microsoft SMTP Server",
            "from out.shop.example (192.0.2.6) by exch02.corp.local (192.0.2.7) with Microsoft SMTP Server",
        ] {
            assert_eq!(source(line), from("192.0.2.6"), "{line}");
            assert!(!hop(line).is_inside(), "{line}");
        }
        for line in [
            "from x (y.isp.example [192.0.2.6]) by mx.isp.example; date",
            "from y.isp.co.uk ([192.0.2.6] helo=x) by mx.isp.co.uk",
            "from a.prod.outlook.com (2603:10a6:1::5) by b.prod.outlook.com (2603:10a6:2::6)",
            "from a.eop-eur01.prod.protection.outlook.com (2a01:111:e400:7e1a::50) by b.mail.protection.outlook.com (10.152.2.3)",
            "from exch01.corp.local (198.51.100.9) by exch02.corp.local (198.51.100.10) with Microsoft SMTP Server",
        ] {
            assert!(hop(line).is_inside(), "{line}");
        }
    }
}
