//! One `Received` line (RFC 5321 section 4.4) in the shapes of Exim, Postfix, qmail, Exchange and the large
//! providers: which address handed the message over. The HELO name is the client's to choose and never counts:
//! a hop is inside the house only by the name that the receiver looked up.

use super::text;
use std::net::IpAddr;

/// What one hop says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// A hand-over inside one host.
    Local,
    /// From that address; `inside` where sender and receiver share a domain.
    From {
        /// The address that the receiver saw.
        ip: IpAddr,
        /// Whether the hop stayed inside one organisation.
        inside: bool,
    },
    /// From another host, but not from which.
    Unclear,
}

impl Hop {
    /// Whether the message stayed with the receiver: on one host, in one domain or in a private network.
    pub fn is_inside(&self) -> bool {
        match self {
            Self::Local => true,
            Self::From { ip, inside } => *inside || !is_public(*ip),
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
            let of = |service: &&str| {
                host.strip_suffix(*service)
                    .is_some_and(|r| r.is_empty() || r.ends_with('.'))
            };
            LOOP_SERVICES.iter().any(of)
        })
}

/// Reads one unfolded value.
pub(super) fn hop(value: &str) -> Hop {
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
        Some((from, by)) => (from, by.split([' ', '\t', ';']).next().unwrap_or_default()),
        None => (value, ""),
    };
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
    if found.is_none() && helo && name.starts_with('[') {
        found = text::address(name); // Exim: from [192.0.2.1] (helo=...)
    }
    match found {
        Some(ip) => Hop::From {
            ip,
            inside: same_house(verified, by) || (is_exchange(ip) && same_house(name, by)),
        },
        None => Hop::Unclear,
    }
}

/// Whether it is an address of Microsoft's mail clusters, whose hops among themselves state no looked-up name.
fn is_exchange(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.segments()[0] == 0x2603 && ip.segments()[1] & 0xFF00 == 0x1000)
}

/// Whether two host names belong to one registered domain: the same last two labels, or three where the second is
/// a registry's own (`co.uk`).
fn same_house(a: &str, b: &str) -> bool {
    fn house(name: &str) -> Option<&str> {
        let name = name.trim_end_matches('.');
        let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
        let top = dots.next()?;
        let second = dots.next();
        let label = &name[second.map_or(0, |at| at + 1)..top];
        let registry = name.len() - top == 3 && label.len() <= 3;
        let start = match (registry, second) {
            (false, second) => second,
            (true, None) => return None,
            (true, Some(_)) => dots.next(),
        };
        Some(&name[start.map_or(0, |at| at + 1)..])
    }
    match (house(a), house(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// Whether an address can be somebody else's on the Internet (RFC 6890). The documentation networks pass.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_many_servers() {
        let from = |ip: &str| Hop::From {
            ip: ip.parse().unwrap(),
            inside: false,
        };
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
            ("by mx.example.net with LMTP", Hop::Local),
            (
                "from a.example (LHLO a.example) (192.0.2.1) by b.example with LMTP; date",
                Hop::Local,
            ),
            (
                "from out.isp.example (out.isp.example [192.0.2.1]) by mx.senderscore.net with ESMTP",
                Hop::Local,
            ),
            (
                "from mx.senderscore.net (a.example [192.0.2.1]) by mx.isp.example for <a@isp.example>",
                from("192.0.2.1"),
            ),
            ("(qmail 1 invoked by uid 910)", Hop::Local),
            ("from [192.0.2.5] by web.example.net via HTTP", Hop::Unclear),
        ] {
            assert_eq!(hop(line), want, "{line}");
        }
        for line in [
            "from x.isp.example (evil.example [192.0.2.6]) by mx.isp.example; date",
            "from x.isp.example ([192.0.2.6]) by mx.isp.example",
            "from x.isp.example (192.0.2.6) by mx.isp.example",
            "from x.isp.example (y.isp.example [192.0.2.6] (may be forged)) by mx.isp.example",
            "from a.shop.co.uk (a.shop.co.uk [192.0.2.6]) by mx.isp.co.uk",
        ] {
            assert_eq!(hop(line), from("192.0.2.6"), "{line}");
        }
        for line in [
            "from x (y.isp.example [192.0.2.6]) by mx.isp.example; date",
            "from y.isp.co.uk ([192.0.2.6] helo=x) by mx.isp.co.uk",
            "from a.prod.outlook.com (2603:10a6:1::5) by b.prod.outlook.com (2603:10a6:2::6)",
        ] {
            assert!(hop(line).is_inside(), "{line}");
        }
        let inside = hop("from in.example.net (in.example.net [192.0.2.6]) by out.example.net");
        assert!(matches!(inside, Hop::From { inside: true, .. }));
    }
}
