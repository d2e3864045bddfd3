//! Who failed to log in how often: a bounded memory of client networks, without a clock of its own.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Networks remembered at most.
const MOST: usize = 10_000;

/// Counts failures of client networks in a window of time. `now` is any time that never goes back.
#[derive(Debug)]
pub struct Throttle {
    max: u32,
    window: Duration,
    prefixes: (u8, u8),
    known: Mutex<HashMap<IpNet, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Duration,
    /// Of the name that was tried, as long as it was one.
    name: Option<u64>,
}

impl Throttle {
    /// From `max` failures within `window` on a network (prefix lengths for IPv4 and IPv6) must wait.
    pub fn new(max: u32, window: Duration, prefixes: (u8, u8)) -> Self {
        Self {
            max,
            window,
            prefixes,
            known: Mutex::default(),
        }
    }

    /// Whether this client must wait.
    pub fn blocks(&self, client: IpAddr, now: Duration) -> bool {
        let known = self.known();
        known
            .get(&self.network(client))
            .is_some_and(|f| f.count >= self.max && self.lasts(f, now))
    }

    /// Notes a failure with this name.
    pub fn failed(&self, client: IpAddr, name: &str, now: Duration) {
        let name = Some(mark(name));
        let network = self.network(client);
        let mut known = self.known();
        if known.len() >= MOST && !known.contains_key(&network) {
            known.retain(|_, failures| self.lasts(failures, now));
            let oldest = known.iter().min_by_key(|(_, f)| f.since).map(|(n, _)| *n);
            if let Some(oldest) = oldest.filter(|_| known.len() >= MOST) {
                known.remove(&oldest);
            }
        }
        let fresh = Failures {
            count: 0,
            since: now,
            name,
        };
        let failures = known.entry(network).or_insert(fresh);
        if !self.lasts(failures, now) {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
        if failures.name != name {
            failures.name = None;
        }
    }

    /// A success wipes the slate of its own name. Otherwise whoever has one password could guess at the others without
    /// end.
    pub fn forgive(&self, client: IpAddr, name: &str) {
        let network = self.network(client);
        let mut known = self.known();
        if known
            .get(&network)
            .is_some_and(|f| f.name == Some(mark(name)))
        {
            known.remove(&network);
        }
    }

    fn lasts(&self, failures: &Failures, now: Duration) -> bool {
        now.saturating_sub(failures.since) < self.window
    }

    fn network(&self, client: IpAddr) -> IpNet {
        let prefix = match client {
            IpAddr::V4(_) => self.prefixes.0,
            IpAddr::V6(_) => self.prefixes.1,
        };
        IpNet::new(client, prefix).map_or(IpNet::from(client), |network| network.trunc())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpNet, Failures>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enough to tell one name from another.
fn mark(name: &str) -> u64 {
    blake3::hash(name.as_bytes())
        .as_bytes()
        .iter()
        .take(8)
        .fold(0, |mark, octet| mark << 8 | u64::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_network_waits_out_the_window_or_logs_in() {
        let throttle = Throttle::new(2, MINUTE, (32, 64));
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let beside: IpAddr = "2001:db8::2".parse().unwrap();
        let apart: IpAddr = "2001:db8:1::1".parse().unwrap();
        throttle.failed(one, "a", Duration::ZERO);
        assert!(!throttle.blocks(one, Duration::ZERO));
        throttle.failed(beside, "a", MINUTE / 2);
        assert!(throttle.blocks(one, MINUTE / 2));
        assert!(!throttle.blocks(apart, MINUTE / 2));
        assert!(!throttle.blocks(one, MINUTE));
        throttle.failed(one, "a", MINUTE);
        assert!(!throttle.blocks(one, MINUTE));
        throttle.failed(one, "a", MINUTE);
        assert!(throttle.blocks(one, MINUTE));
        throttle.forgive(beside, "a");
        assert!(!throttle.blocks(one, MINUTE));
    }

    #[test]
    fn one_password_buys_no_guesses_at_others() {
        let throttle = Throttle::new(3, MINUTE, (32, 64));
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        for name in ["a", "b", "a"] {
            throttle.failed(client, name, Duration::ZERO);
            throttle.forgive(client, "own");
        }
        assert!(throttle.blocks(client, Duration::ZERO));
        // Nor may somebody who failed as two people pass for one of them.
        throttle.forgive(client, "a");
        assert!(throttle.blocks(client, Duration::ZERO));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_kept() {
        let throttle = Throttle::new(1, MINUTE, (32, 128));
        for n in 0..MOST as u128 + 100 {
            let client = IpAddr::from(Ipv6Addr::from_bits(n));
            throttle.failed(client, "a", Duration::from_micros(n as u64));
        }
        assert_eq!(throttle.known().len(), MOST);
        let now = Duration::from_secs(1);
        assert!(!throttle.blocks(Ipv6Addr::from_bits(99).into(), now));
        assert!(throttle.blocks(Ipv6Addr::from_bits(100).into(), now));
        // Those whose time is over go first.
        throttle.failed(Ipv4Addr::LOCALHOST.into(), "a", MINUTE * 2);
        assert_eq!(throttle.known().len(), 1);
    }
}
