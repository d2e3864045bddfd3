//! Which hosts belong together: one registered domain, one provider's cluster, one filtering service; and which
//! addresses are anybody's on the Internet. Names count only where the receiver looked them up; the callers see to that.

use std::net::IpAddr;

/// Services that filter mail on its way in for others, each by the domains of its hosts. Most relay for their
/// customers' outgoing mail too, under the same names.
const SERVICES: [&[&str]; 13] = [
    &["pphosted.com", "ppops.net", "ppe-hosted.com"],
    &["mimecast.com", "mimecast.co.za", "mimecast-offshore.com"],
    &["barracudanetworks.com", "barracuda.com", "cudaops.com"],
    &["messagelabs.com", "symanteccloud.com"],
    &["iphmx.com"],
    &["antispameurope.com", "hornetsecurity.com"],
    &["trendmicro.com", "trendmicro.eu"],
    &["mailcontrol.com", "forcepoint.net"],
    &["mxlogic.net"],
    &["sophos.com"],
    &["fireeyecloud.com", "trellix.com"],
    &["retarus.com", "retarus.net"],
    &["vadesecure.com"],
];

/// One organisation as far as host names tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum House {
    /// A filtering service, by its place in the list.
    Service(usize),
    /// A registered domain, lower case.
    Domain(String),
}

impl House {
    /// The house of a host or a domain. None for a name without a registered domain.
    pub fn of(host: &str) -> Option<Self> {
        let within = |domain: &&str| ends_in(host, domain);
        let service = SERVICES.iter().position(|all| all.iter().any(within));
        service
            .map(Self::Service)
            .or_else(|| registered(host).map(|name| Self::Domain(name.to_ascii_lowercase())))
    }

    /// Whether it filters for others.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service(_))
    }

    /// Whether the host is of this house.
    pub fn holds(&self, host: &str) -> bool {
        Self::of(host).as_ref() == Some(self)
    }
}

/// Whether a host is in that domain.
pub(super) fn ends_in(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.');
    let Some(at) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    host.get(at..)
        .is_some_and(|end| end.eq_ignore_ascii_case(domain))
        && (at == 0 || host.as_bytes()[at - 1] == b'.')
}

/// The registered domain: the last two labels, or three where the second is a registry's own (`co.uk`).
fn registered(name: &str) -> Option<&str> {
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

/// Whether two host names belong to one registered domain.
pub(super) fn same(a: &str, b: &str) -> bool {
    match (registered(a), registered(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// Whether a hop stayed inside Microsoft's mail clusters, which look up no names among themselves. By the address,
/// and not on its way out: there other customers' mail comes from.
pub(super) fn within_microsoft(ip: IpAddr, claimed: &str, by: &str) -> bool {
    const DOMAINS: [&str; 3] = ["outlook.com", "office365.com", "exchangelabs.com"];
    let IpAddr::V6(ip) = ip else { return false };
    let [first, second, ..] = ip.segments();
    let theirs =
        first == 0x2603 && second & 0xFF0F == 0x1006 || first == 0x2A01 && second == 0x0111;
    let named = |host: &str| DOMAINS.iter().any(|domain| ends_in(host, domain));
    theirs && named(claimed) && named(by) && !claimed.contains(".outbound.")
}

/// Whether two addresses are neighbours: one /24 of IPv4, one /64 of IPv6.
pub(super) fn are_near(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
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
    fn houses() {
        assert_eq!(
            House::of("MX.Shop.example."),
            Some(House::Domain("shop.example".into()))
        );
        assert_eq!(House::of("localhost"), None);
        assert_eq!(House::of("co.uk"), None);
        let service = House::of("mx0a-0012.pphosted.com").unwrap();
        assert!(service.is_service() && service.holds("m01.ppops.net"));
        assert!(!service.holds("evilpphosted.com") && !service.holds("pphosted.com.evil.example"));
        assert!(same("a.shop.co.uk", "b.shop.co.uk") && !same("a.shop.co.uk", "b.isp.co.uk"));
    }

    #[test]
    fn addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(are_near(ip("192.0.2.1"), ip("192.0.2.200")));
        assert!(!are_near(ip("192.0.2.1"), ip("192.0.3.1")));
        let within = |address, claimed| {
            within_microsoft(ip(address), claimed, "b.mail.protection.outlook.com")
        };
        assert!(
            within("2603:10a6:1::5", "a.prod.outlook.com")
                && within("2a01:111:e400::1", "a.office365.com")
        );
        for (address, claimed) in [
            ("2001:db8::1", "a.prod.outlook.com"),
            ("192.0.2.1", "a.prod.outlook.com"),
            ("2603:1020:1::5", "a.prod.outlook.com"),
            ("2603:10a6:1::5", "evil.example"),
            (
                "2a01:111:f403::1",
                "eur05-db8-obe.outbound.protection.outlook.com",
            ),
        ] {
            assert!(!within(address, claimed), "{address} {claimed}");
        }
        assert!(
            !is_public(ip("100.64.0.1"))
                && !is_public(ip("fd00::1"))
                && is_public(ip("2001:db8::1"))
        );
    }
}
