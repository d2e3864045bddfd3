//! Whether a hop from outside is one from the complainant's own gateway. The three rules are written down in `clues.rs`,
//! which asks this hop by hop.

use super::clues::Name;
use super::houses::House;
use super::received::{self, HandOver};
use super::recover::{line, parameter, plain};
use super::text;
use std::net::IpAddr;

/// Whether a hop from outside is one from the complainant's own gateway.
pub(super) enum Passes {
    Yes(House),
    No,
    Doubtful,
}

pub(super) fn passes(
    hop: &HandOver<'_>,
    above: &[(Name, &[u8])],
    below: &[(Name, &[u8])],
    own: Option<&House>,
) -> Passes {
    let verdict = verdict(hop.ip, above);
    let Some(house) = House::of(hop.verified) else {
        let claims = hop.verified.is_empty()
            && House::of(hop.claimed).is_some_and(|house| house.is_service());
        return match claims && verdict != Some(true) {
            true => Passes::Doubtful,
            false => Passes::No,
        };
    };
    let gateway = own == Some(&house)
        || house.is_service() && verdict != Some(true)
        || verdict.is_none() && !any_verdict(above) && judges(&house, below);
    match gateway {
        true => Passes::Yes(house),
        false => Passes::No,
    }
}

/// Whether SPF passed for that address, by the last word of its receiver. None where it says nothing of it.
fn verdict(ip: IpAddr, above: &[(Name, &[u8])]) -> Option<bool> {
    let mut verdict = None;
    for (name, raw) in above {
        let value = match name {
            Name::Spf | Name::Results => plain(raw),
            _ => continue,
        };
        let stated = [
            "client-ip=",
            "designates ",
            "sender IP is ",
            "smtp.remote-ip=",
        ];
        let stated = stated
            .iter()
            .find_map(|key| text::address(parameter(&value, key)?));
        if stated.is_some_and(|stated| stated != ip) {
            continue;
        }
        let result = match name {
            Name::Spf => value.split_ascii_whitespace().next(),
            _ => parameter(&value, "spf="),
        };
        if let Some(result) = result {
            verdict = Some(verdict == Some(true) || result.eq_ignore_ascii_case("pass"));
        }
    }
    verdict
}

/// Whether a receiver judged the message at all.
fn any_verdict(above: &[(Name, &[u8])]) -> bool {
    above
        .iter()
        .any(|(name, _)| matches!(name, Name::Spf | Name::Results))
}

/// Whether that house judged the message, in a header above the hop by which it took it in.
fn judges(house: &House, below: &[(Name, &[u8])]) -> bool {
    for (name, raw) in below {
        let judge = match name {
            Name::Received if received::hop(&line(raw)).is_inside() => continue,
            Name::Received => return false,
            Name::Results => {
                let value = plain(raw);
                let judge = value.split([';', ' ', '\t']).next().unwrap_or_default();
                house.holds(judge)
            }
            Name::Spf => {
                let value = plain(raw);
                let told = value
                    .split_once('(')
                    .and_then(|(_, rest)| rest.split(':').next());
                let stated = parameter(&value, "receiver=");
                [told, stated]
                    .iter()
                    .flatten()
                    .any(|judge| house.holds(judge.trim()))
            }
            _ => continue,
        };
        if judge {
            return true;
        }
    }
    false
}
