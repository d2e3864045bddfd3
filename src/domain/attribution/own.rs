//! What is ours: networks, mail servers, domains. Nothing is assumed: where nothing is configured, nothing is said to be
//! ours or not.

use super::normal;
use crate::domain::report::Reading;
use ipnet::IpNet;
use std::net::IpAddr;

/// Our own networks, hosts and domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// All networks that our customers' mail leaves from.
    pub networks: Vec<IpNet>,
    /// Addresses of our own mail servers, which nobody else sends from and which stamp a `Received` line on all that
    /// passes.
    pub relays: Vec<IpNet>,
    /// Names that our mail servers call themselves in the lines they stamp; `*.example.net` for all within it.
    pub hosts: Vec<String>,
    /// Our domains and our customers', in normal form; each with all below it.
    pub domains: Vec<String>,
}

fn holds(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

impl Own {
    /// Whether an address is ours.
    pub fn has(&self, ip: IpAddr) -> bool {
        holds(&self.networks, ip) || self.is_relay(ip)
    }

    /// Whether an address is that of one of our mail servers.
    pub fn is_relay(&self, ip: IpAddr) -> bool {
        holds(&self.relays, ip)
    }

    /// Whether a host is one of our mail servers, by the name it stamps.
    pub fn is_host(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is = |host: &String| match host.strip_prefix('*') {
            Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
            None => name == *host,
        };
        !name.is_empty() && self.hosts.iter().any(is)
    }

    /// Whether a domain is ours.
    pub fn has_domain(&self, domain: &str) -> bool {
        let domain = normal::host(domain);
        let within = |own: &String| {
            domain
                .strip_suffix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.iter().any(within)
    }

    /// Whether an address is at one of our domains.
    pub fn has_mailbox(&self, address: &str) -> bool {
        address
            .rsplit_once('@')
            .is_some_and(|(_, domain)| self.has_domain(domain))
    }

    /// Whether hops can be told apart at all.
    pub fn knows_hops(&self) -> bool {
        !self.hosts.is_empty() && !self.relays.is_empty()
    }

    /// Whether the reported message was never ours: it came from a foreign address, and its sender is not ours
    /// either. Where the address is not known, or no networks are configured, nothing is said; nor where it is known
    /// from nothing but `X-Originating-IP`, which a customer writes himself.
    pub fn is_foreign(&self, reading: &Reading<'_>) -> bool {
        let Some(ip) = reading.report.source_ip else {
            return false;
        };
        let written = reading.derived.get("source_ip");
        if written.is_some_and(|source| source.starts_with("X-Originating-IP")) {
            return false;
        }
        let sender = reading.report.original_mail_from.as_deref();
        let sender = sender.filter(|sender| !sender.is_empty());
        let ours = sender.is_some_and(|sender| self.has_mailbox(sender));
        !self.networks.is_empty() && !self.has(ip) && !ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_foreign() {
        let own = Own {
            networks: vec!["192.0.2.0/24".parse().unwrap()],
            relays: vec!["198.51.100.5/32".parse().unwrap()],
            hosts: vec!["out.example.net".into(), "*.mx.example.net".into()],
            domains: vec!["customer.example".into()],
        };
        assert!(own.is_host("OUT.example.net.") && own.is_host("a.mx.example.net"));
        assert!(!own.is_host("mx.example.net") && !own.is_host("evilout.example.net"));
        assert!(!own.is_host(""));
        assert!(
            own.has_mailbox("x@Sub.customer.example") && !own.has_mailbox("x@evilcustomer.example")
        );
        let mut reading = Reading::none();
        assert!(!own.is_foreign(&reading), "address not known");
        for (ip, sender, foreign) in [
            ("203.0.113.1", None, true),
            ("203.0.113.1", Some("x@other.example"), true),
            ("203.0.113.1", Some("x@customer.example"), false),
            ("192.0.2.9", Some("x@other.example"), false),
            ("198.51.100.5", None, false),
            ("::ffff:192.0.2.9", None, false),
        ] {
            reading.report.source_ip = ip.parse().ok();
            reading.report.original_mail_from = sender.map(str::to_owned);
            assert_eq!(own.is_foreign(&reading), foreign, "{ip} {sender:?}");
            assert!(!Own::default().is_foreign(&reading));
        }
        (reading.report.source_ip, reading.report.original_mail_from) =
            ("203.0.113.1".parse().ok(), None);
        for (source, foreign) in [
            ("Subject of the report", true),
            ("X-Originating-IP of the enclosed message", false),
        ] {
            reading.derived.insert("source_ip", source.to_owned());
            assert_eq!(own.is_foreign(&reading), foreign, "{source}");
        }
    }
}
