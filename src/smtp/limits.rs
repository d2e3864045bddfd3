//! What all sessions share: how many there may be, and how much text they may hold. Both hand out guards
//! that give back what was taken when dropped, a panic included.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Why a session is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// There are too many.
    All,
    /// There are too many from this client's network.
    Client,
}

/// Counts sessions, in all and for each client network.
#[derive(Debug)]
pub struct Gate {
    max: usize,
    max_per_client: usize,
    prefixes: (u8, u8),
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    clients: HashMap<IpNet, usize>,
}

impl Gate {
    /// A gate for `max` sessions and `max_per_client` a network of the prefix lengths (IPv4, IPv6).
    pub fn new(max: usize, max_per_client: usize, prefixes: (u8, u8)) -> Arc<Self> {
        Arc::new(Self {
            max,
            max_per_client,
            prefixes,
            inside: Mutex::default(),
        })
    }

    /// Lets a client in, for as long as it keeps the pass.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn enter(self: &Arc<Self>, client: IpAddr) -> Result<Pass, Full> {
        let network = self.network(client);
        let mut inside = self.inside();
        if inside.all >= self.max {
            return Err(Full::All);
        }
        let here = inside.clients.entry(network).or_default();
        if *here >= self.max_per_client {
            return Err(Full::Client);
        }
        *here += 1;
        inside.all += 1;
        drop(inside);
        Ok(Pass {
            gate: Arc::clone(self),
            network,
        })
    }

    fn network(&self, client: IpAddr) -> IpNet {
        let prefix = match client {
            IpAddr::V4(_) => self.prefixes.0,
            IpAddr::V6(_) => self.prefixes.1,
        };
        IpNet::new(client, prefix).map_or(IpNet::from(client), |network| network.trunc())
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A session's leave to be.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    network: IpNet,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        inside.all -= 1;
        if let Some(here) = inside.clients.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                inside.clients.remove(&self.network);
            }
        }
    }
}

/// Octets of text that may be held over all sessions.
#[derive(Debug)]
pub struct Budget {
    max: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// A budget of `max` octets.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: AtomicUsize::new(0),
        })
    }

    /// Whether there is room for so much more just now.
    pub fn has_room(&self, octets: usize) -> bool {
        self.taken.load(Relaxed).saturating_add(octets) <= self.max
    }
}

/// What one message holds of the budget.
#[derive(Debug)]
pub struct Hold {
    budget: Arc<Budget>,
    octets: usize,
}

impl Hold {
    /// Octets taken at a time, so that small messages touch the shared count once.
    const GRAIN: usize = 16 * 1024;

    /// Nothing yet.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            octets: 0,
        }
    }

    /// Takes more until it covers `octets`; false if there is no room.
    pub fn cover(&mut self, octets: usize) -> bool {
        if octets <= self.octets {
            return true;
        }
        let missing = octets - self.octets;
        // Less than a grain when the budget is nearly spent.
        for more in [missing.next_multiple_of(Self::GRAIN), missing] {
            let room = |taken: usize| Some(taken + more).filter(|sum| *sum <= self.budget.max);
            if self.budget.taken.try_update(Relaxed, Relaxed, room).is_ok() {
                self.octets += more;
                return true;
            }
        }
        false
    }

    /// Gives everything back.
    pub fn release(&mut self) {
        self.budget.taken.fetch_sub(self.octets, Relaxed);
        self.octets = 0;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_counts_networks() {
        let gate = Gate::new(3, 2, (32, 64));
        let [a, b, c] = ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|a| a.parse().unwrap());
        let first = gate.enter(a).unwrap();
        let _second = gate.enter(b).unwrap();
        assert_eq!(gate.enter(a).unwrap_err(), Full::Client);
        let _third = gate.enter(c).unwrap();
        assert_eq!(gate.enter(c).unwrap_err(), Full::All);
        drop(first);
        assert!(gate.enter(a).is_ok());
        assert_eq!(gate.inside().clients.len(), 2);
    }

    #[test]
    fn the_budget_is_never_overdrawn_and_comes_back() {
        let budget = Budget::new(20_000);
        let (mut one, mut two) = (Hold::new(&budget), Hold::new(&budget));
        assert!(one.cover(10));
        assert!(two.cover(2_000));
        assert!(!two.cover(9_000));
        assert!(budget.has_room(1_616) && !budget.has_room(1_617));
        drop(one);
        assert!(two.cover(9_000));
        drop(two);
        assert!(budget.has_room(20_000));
    }
}
