//! One hand-over of the enclosed message as a mail server wrote it down in a `Received` line, and what of the chain of
//! them our own servers wrote.
//!
//! **What is believed.** A mail server puts its line on top of what it was given, so everything below a line is its
//! client's word. The reporter's lines stand on top. They lead to ours by a hop from one of our relays, or the report
//! itself states such a source address. From there on a line counts while it is stamped by one of our hosts, and the next
//! one only if this one came from one of our relays. The first line that came from anywhere else is the *entry*: where
//! the message came into our house. Below it anybody may have written anything, lines in the name of our hosts included.
//! A line that is missing in between is a gap, and nothing is believed then.
//!
//! So a relay must be a server that stamps a line on all that passes it, and that nobody else sends from. That is why
//! own networks, with customers' machines in them, are not enough.

use super::own::Own;
use std::net::IpAddr;

/// Hops looked at.
pub const MOST_HOPS: usize = 30;

/// One `Received` line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The host that wrote it, as it calls itself.
    pub by: String,
    /// The address that handed the message over; none where the line does not say, or it came up on the host itself.
    pub from: Option<IpAddr>,
    /// Whether it is said to have come from another host at all.
    pub is_remote: bool,
    /// Whether the client authenticated, by the protocol's name (RFC 3848) or by what else the line says.
    pub is_authenticated: bool,
    /// Who authenticated, where the line says so.
    pub login: Option<String>,
    /// The envelope sender, where the line says it.
    pub envelope_from: Option<String>,
    /// The recipient of the `for` clause.
    pub recipient: Option<String>,
}

/// What our own servers wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Our lines, from the first to the entry, by their places among all.
    Ours {
        /// The topmost.
        first: usize,
        /// Where the message came into our house.
        entry: usize,
    },
    /// A line of ours is missing.
    Gap,
    /// None, as far as can be told.
    Foreign,
}

impl Chain {
    /// Finds our lines. `stated`: the source address, where the report itself states it.
    pub fn of(hops: &[Hop], own: &Own, stated: Option<IpAddr>) -> Self {
        let hops = &hops[..hops.len().min(MOST_HOPS)];
        let from_relay = |hop: &Hop| hop.from.is_some_and(|ip| own.is_relay(ip));
        let stated = stated.is_some_and(|ip| own.is_relay(ip));
        let mut handed_over = false;
        let mut first = None;
        for (at, hop) in hops.iter().enumerate() {
            if own.is_host(&hop.by) {
                if handed_over || stated {
                    first = Some(at);
                    break;
                }
                return Self::Foreign;
            }
            if handed_over {
                return Self::Gap;
            }
            handed_over = from_relay(hop);
        }
        let Some(first) = first else {
            return match handed_over {
                true => Self::Gap,
                false => Self::Foreign,
            };
        };
        for (at, hop) in hops.iter().enumerate().skip(first) {
            if !own.is_host(&hop.by) {
                return Self::Gap;
            }
            // A line that says from elsewhere, but not from where, may have been a relay's.
            if hop.is_remote && hop.from.is_none() {
                return Self::Gap;
            }
            if !from_relay(hop) {
                return Self::Ours { first, entry: at };
            }
        }
        Self::Gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        Own {
            networks: vec!["192.0.2.0/24".parse().unwrap()],
            relays: vec!["192.0.2.16/29".parse().unwrap()],
            hosts: vec!["*.mail.our.example".into()],
            domains: Vec::new(),
        }
    }

    fn hop(by: &str, from: &str) -> Hop {
        Hop {
            by: by.into(),
            from: from.parse().ok(),
            is_remote: from != "-",
            ..Hop::default()
        }
    }

    #[test]
    fn only_a_chain_without_a_gap_is_ours() {
        const YAHOO: &str = "mta.reporter.example";
        const OUT: &str = "out.mail.our.example";
        const IN: &str = "in.mail.our.example";
        let ours = |first, entry| Chain::Ours { first, entry };
        for (what, lines, stated, want) in [
            (
                "straight",
                &[(YAHOO, "192.0.2.17"), (OUT, "203.0.113.9")][..],
                "",
                ours(1, 1),
            ),
            (
                "over two of ours",
                &[
                    (YAHOO, "192.0.2.17"),
                    (OUT, "192.0.2.18"),
                    (IN, "203.0.113.9"),
                ],
                "",
                ours(1, 2),
            ),
            (
                "inside the reporter's house first",
                &[
                    (YAHOO, "10.0.0.1"),
                    (YAHOO, "192.0.2.17"),
                    (OUT, "203.0.113.9"),
                ],
                "",
                ours(2, 2),
            ),
            ("stated", &[(OUT, "203.0.113.9")], "192.0.2.17", ours(0, 0)),
            ("not stated", &[(OUT, "203.0.113.9")], "", Chain::Foreign),
            (
                "came up on our host",
                &[(YAHOO, "192.0.2.17"), (OUT, "-")],
                "",
                ours(1, 1),
            ),
            (
                "forged below a stranger's hop",
                &[(YAHOO, "203.0.113.66"), (OUT, "203.0.113.9")],
                "",
                Chain::Foreign,
            ),
            (
                "forged, with a relay's address in a line of its own",
                &[
                    (YAHOO, "203.0.113.66"),
                    (OUT, "192.0.2.17"),
                    (IN, "203.0.113.9"),
                ],
                "",
                Chain::Foreign,
            ),
            (
                "from a customer's machine in our network",
                &[(YAHOO, "192.0.2.200"), (OUT, "203.0.113.9")],
                "",
                Chain::Foreign,
            ),
            (
                "what stands below the entry does not matter",
                &[
                    (YAHOO, "192.0.2.17"),
                    (OUT, "203.0.113.9"),
                    (IN, "192.0.2.17"),
                    (OUT, "198.51.100.1"),
                ],
                "",
                ours(1, 1),
            ),
            (
                "a line of ours is missing",
                &[(YAHOO, "192.0.2.17"), ("evil.example", "203.0.113.9")],
                "",
                Chain::Gap,
            ),
            (
                "our second line is missing",
                &[
                    (YAHOO, "192.0.2.17"),
                    (OUT, "192.0.2.18"),
                    ("x.example", "203.0.113.9"),
                ],
                "",
                Chain::Gap,
            ),
            (
                "our last line is missing",
                &[(YAHOO, "192.0.2.17"), (OUT, "192.0.2.18")],
                "",
                Chain::Gap,
            ),
            (
                "from somewhere",
                &[(YAHOO, "192.0.2.17"), (OUT, "?")],
                "",
                Chain::Gap,
            ),
            ("nothing", &[], "192.0.2.17", Chain::Foreign),
        ] {
            let hops: Vec<Hop> = lines.iter().map(|(by, from)| hop(by, from)).collect();
            assert_eq!(
                Chain::of(&hops, &own(), stated.parse().ok()),
                want,
                "{what}"
            );
        }
    }
}
