//! How many connections a minute each client network may open. A pure function of time but for its memory,
//! which is bounded: whoever owns more networks than it holds is counted by a wider one.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Networks remembered. An entry takes about 50 octets.
const MOST: usize = 65_536;
/// What is counted together once so many are remembered: the size of an allocation to a provider.
const WIDE: (u8, u8) = (16, 32);
/// Looking for what may be forgotten goes through all, so it is not done more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The connections of each network, as the time at which its allowance will be whole again (the generic cell
/// rate algorithm: a token bucket that keeps one number).
#[derive(Debug)]
pub struct Rates {
    /// What one connection takes of the allowance, as time; None when there is no limit.
    cost: Option<Duration>,
    prefixes: (u8, u8),
    exempt: Vec<IpNet>,
    most: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    whole_at: HashMap<IpNet, Duration>,
    swept: Option<Duration>,
}

impl Rates {
    /// At most `a_minute` connections at once, and afterwards as many a minute, from a network of the prefix lengths (IPv4,
    /// IPv6); 0 for no limit. Addresses in `exempt` are not counted.
    pub fn new(a_minute: u32, prefixes: (u8, u8), exempt: Vec<IpNet>) -> Self {
        Self {
            cost: (a_minute > 0).then(|| MINUTE / a_minute),
            prefixes,
            exempt,
            most: MOST,
            seen: Mutex::default(),
        }
    }

    /// Whether a client may connect at this time, which never goes back. If so it is counted.
    pub fn allows(&self, client: IpAddr, now: Duration) -> bool {
        let Some(cost) = self.cost else {
            return true;
        };
        if self.exempt.iter().any(|net| net.contains(&client)) {
            return true;
        }
        let mut seen = self.seen();
        let Some(whole_at) = seen.place(client, self.prefixes, self.most, now) else {
            // More wide networks than anybody should own. How many sessions there may be still holds.
            return true;
        };
        let next = (*whole_at).max(now) + cost;
        let allowed = next <= now + MINUTE;
        if allowed {
            *whole_at = next;
        }
        allowed
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Seen {
    /// Where a client is counted.
    fn place(
        &mut self,
        client: IpAddr,
        prefixes: (u8, u8),
        most: usize,
        now: Duration,
    ) -> Option<&mut Duration> {
        let narrow = network(client, prefixes);
        if !self.whole_at.contains_key(&narrow) && self.whole_at.len() >= most {
            if self.swept.is_none_or(|at| now >= at + SWEEP_EVERY) {
                self.swept = Some(now);
                self.whole_at.retain(|_, whole_at| *whole_at > now);
            }
            if self.whole_at.len() >= most {
                let wide = network(client, (prefixes.0.min(WIDE.0), prefixes.1.min(WIDE.1)));
                // As many again, then no more.
                let known = self.whole_at.contains_key(&wide);
                return (known || self.whole_at.len() < 2 * most)
                    .then(|| self.whole_at.entry(wide).or_default());
            }
        }
        Some(self.whole_at.entry(narrow).or_default())
    }
}

/// The network of a client, of these prefix lengths (IPv4, IPv6).
pub fn network(client: IpAddr, prefixes: (u8, u8)) -> IpNet {
    let prefix = match client {
        IpAddr::V4(_) => prefixes.0,
        IpAddr::V6(_) => prefixes.1,
    };
    IpNet::new(client, prefix).map_or(IpNet::from(client), |network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_network_has_its_allowance_and_gets_it_back_with_time() {
        let rates = Rates::new(60, (32, 64), vec!["10.0.0.0/8".parse().unwrap()]);
        let from = |client: &str, seconds| rates.allows(ip(client), at(seconds));
        for n in 0..60 {
            assert!(from("192.0.2.1", 0), "{n}");
        }
        assert!(!from("192.0.2.1", 0));
        assert!(from("192.0.2.2", 0), "another network");
        assert!(from("192.0.2.1", 1), "one a second comes back");
        assert!(
            !from("192.0.2.1", 1),
            "being refused costs nothing, and gains nothing"
        );
        for n in 0..60 {
            assert!(from("192.0.2.1", 120), "never more than the whole: {n}");
        }
        assert!(!from("192.0.2.1", 120));
        for n in 0..200 {
            assert!(from("10.1.2.3", 0), "exempt: {n}");
        }
        let unlimited = Rates::new(0, (32, 64), Vec::new());
        assert!((0..1_000).all(|_| unlimited.allows(ip("192.0.2.1"), at(0))));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let rates = Rates::new(2, (24, 64), Vec::new());
        assert!(rates.allows(ip("2001:db8::1"), at(0)));
        assert!(rates.allows(ip("2001:db8::ffff:2"), at(0)));
        assert!(!rates.allows(ip("2001:db8::3"), at(0)));
        assert!(rates.allows(ip("2001:db8:0:1::3"), at(0)));
        assert!(rates.allows(ip("192.0.2.1"), at(0)));
        assert!(rates.allows(ip("192.0.2.99"), at(0)));
        assert!(!rates.allows(ip("192.0.2.200"), at(0)));
    }

    #[test]
    fn who_owns_many_networks_is_counted_as_one_and_memory_is_bounded() {
        let mut rates = Rates::new(3, (32, 64), Vec::new());
        rates.most = 1_000;
        let of_attacker = |n: u32| {
            let [a, b, c, d] = n.to_be_bytes();
            let high = [0x20, 0x01, 0x0d, 0xb8, a, b, c, d];
            let mut octets = [0; 16];
            octets[..8].copy_from_slice(&high);
            IpAddr::from(octets)
        };
        let let_in = (0..100_000)
            .filter(|n| rates.allows(of_attacker(*n), at(5)))
            .count();
        assert_eq!(
            let_in,
            1_000 + 3,
            "each network once, then the /32 as a whole"
        );
        assert!(rates.seen().whole_at.len() <= 2_000);
        assert!(
            rates.allows(ip("2001:db9::1"), at(5)),
            "others are not touched"
        );
        assert!(rates.allows(ip("192.0.2.1"), at(5)));
        // What is whole again is forgotten: the attack leaves nothing behind.
        assert!(rates.allows(ip("2001:db8::1"), at(100)));
        assert!(rates.allows(ip("198.51.100.1"), at(100)));
        assert_eq!(rates.seen().whole_at.len(), 2);
    }

    #[test]
    fn a_world_of_attackers_fills_the_memory_and_no_more() {
        let mut rates = Rates::new(1, (32, 64), Vec::new());
        rates.most = 100;
        for n in 0..10_000_u32 {
            rates.allows(IpAddr::from(n.reverse_bits().to_be_bytes()), at(0));
        }
        assert_eq!(rates.seen().whole_at.len(), 200);
    }
}
