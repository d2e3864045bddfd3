//! What all sessions share: how many there may be, and how much text they may hold. Both hand out guards
//! that give back what was taken when dropped, a panic included.

use super::rates::network;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

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

    /// Lets a connection in, for as long as it keeps the pass; None when there are too many. Behind a proxy,
    /// whose it is shows later.
    pub fn enter(self: &Arc<Self>) -> Option<Pass> {
        let mut inside = self.inside();
        if inside.all >= self.max {
            return None;
        }
        inside.all += 1;
        drop(inside);
        Some(Pass {
            gate: Arc::clone(self),
            network: None,
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A session's leave to be.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    network: Option<IpNet>,
}

impl Pass {
    /// Counts it for its client's network; false when that has too many.
    pub fn claim(&mut self, client: IpAddr) -> bool {
        let network = network(client, self.gate.prefixes);
        let mut inside = self.gate.inside();
        let here = inside.clients.get(&network).copied().unwrap_or_default();
        if self.network.is_some() || here >= self.gate.max_per_client {
            return false;
        }
        inside.clients.insert(network, here + 1);
        drop(inside);
        self.network = Some(network);
        true
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        inside.all -= 1;
        if let Some(network) = self.network
            && let Some(here) = inside.clients.get_mut(&network)
        {
            *here -= 1;
            if *here == 0 {
                inside.clients.remove(&network);
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

    /// What it covers.
    pub fn octets(&self) -> usize {
        self.octets
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
        let [a, b, c]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|a| a.parse().unwrap());
        let enter = |client| gate.enter().map(|mut pass| (pass.claim(client), pass));
        let (first, second) = (enter(a).unwrap(), enter(b).unwrap());
        assert!(first.0 && second.0);
        let over = enter(a).unwrap();
        assert!(!over.0, "too many of its network");
        assert!(enter(c).is_none(), "until it leaves it takes a place");
        drop(over);
        let third = enter(c).unwrap();
        assert!(third.0);
        assert!(enter(c).is_none());
        drop(first);
        assert!(enter(a).unwrap().0);
        assert_eq!(gate.inside().clients.len(), 2);
        drop((second, third));
        assert_eq!(gate.inside().clients.len(), 0, "nothing is remembered");
        assert_eq!(gate.inside().all, 0);
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
