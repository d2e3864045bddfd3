//! The source address as an identity: a map of networks to who sends from them. The longest prefix wins, so that a
//! customer's address may lie within a network that is shared.

use crate::domain::identity::OutgoingUser;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The identity, as configured.
    pub identity: String,
    /// Its outgoing user, where one is configured.
    pub outgoing_user: Option<OutgoingUser>,
    /// Whether many customers are behind it, so that it is never locked automatically.
    pub shared: bool,
}

/// Networks and their owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    owners: HashMap<IpNet, Owner>,
    /// The prefix lengths that occur, longest first.
    v4: Vec<u8>,
    v6: Vec<u8>,
}

impl SourceMap {
    /// Adds a network. The owner that it had before, if it had one: two lines contradict each other then.
    pub fn add(&mut self, network: IpNet, owner: Owner) -> Option<Owner> {
        let network = network.trunc();
        let lengths = match network {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        };
        if let Err(at) = lengths.binary_search_by(|len| network.prefix_len().cmp(len)) {
            lengths.insert(at, network.prefix_len());
        }
        self.owners.insert(network, owner)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The owner of an address and the network that says so.
    pub fn owner(&self, ip: IpAddr) -> Option<(&IpNet, &Owner)> {
        let ip = ip.to_canonical();
        let lengths = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        lengths.iter().find_map(|len| {
            let network = IpNet::new(ip, *len).ok()?.trunc();
            self.owners.get_key_value(&network)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let owner = |name: &str| Owner {
            identity: name.into(),
            outgoing_user: None,
            shared: false,
        };
        let mut map = SourceMap::default();
        for (network, name) in [
            ("192.0.2.0/24", "net"),
            ("192.0.2.8/32", "host"),
            ("192.0.2.9/28", "block"),
            ("2001:db8::/32", "six"),
        ] {
            assert_eq!(map.add(network.parse().unwrap(), owner(name)), None);
        }
        for (ip, want) in [
            ("192.0.2.8", Some("host")),
            ("192.0.2.9", Some("block")),
            ("192.0.2.99", Some("net")),
            ("::ffff:192.0.2.8", Some("host")),
            ("2001:db8:1::1", Some("six")),
            ("198.51.100.1", None),
            ("2001:db9::1", None),
        ] {
            let found = map.owner(ip.parse().unwrap());
            assert_eq!(found.map(|(_, o)| o.identity.as_str()), want, "{ip}");
        }
        let second = map.add("192.0.2.0/24".parse().unwrap(), owner("other"));
        assert_eq!(second, Some(owner("net")));
    }
}
