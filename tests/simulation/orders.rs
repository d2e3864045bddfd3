//! Orders: stepped by the outboxes, claimed by workers that die, settled late; each move against what is
//! known of the order.

use super::mail::identity;
use super::world::{BREAKER_LIMIT, LEASE, Order, TARGET, World};
use arfd::clock::Clock;
use arfd::domain::ids::OrderId;
use arfd::domain::lock::{LockOrder, OrderState};
use arfd::outbox::Step;
use arfd::store::{Claim, Settlement};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

impl Order {
    /// When it can be claimed.
    fn due(&self) -> Timestamp {
        let lease = self.lease.map_or(Timestamp::MIN, |(until, _)| until);
        self.not_before.max(lease)
    }
}

impl World {
    /// One node's outbox does one order.
    pub async fn step(&mut self, node: usize) {
        let first = self.due().first().copied();
        let step = self.outboxes[node].step().await.unwrap();
        if let Step::Settled { order, .. } = &step {
            assert_eq!(Some(order.id), first, "not the one that waited longest");
        } else if self.failures[node] < BREAKER_LIMIT {
            assert_eq!(first, None, "an order was due and not claimed");
            let pending = |o: &&Order| o.state == OrderState::Pending;
            let next_due = self.orders.values().filter(pending).map(Order::due).min();
            assert_eq!(step, Step::Idle { next_due });
        }
        self.stepped(node, step);
    }

    /// Both do, at once.
    pub async fn step_both(&mut self) {
        let before = self.due();
        let steps = tokio::join!(self.outboxes[0].step(), self.outboxes[1].step());
        let steps = [steps.0.unwrap(), steps.1.unwrap()];
        let tried: Vec<OrderId> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Settled { order, .. } => Some(order.id),
                _ => None,
            })
            .collect();
        assert!(tried.iter().all(|id| before.contains(id)), "not due");
        assert!(tried.len() < 2 || tried[0] != tried[1], "claimed twice");
        for (node, step) in steps.into_iter().enumerate() {
            self.stepped(node, step);
        }
    }

    /// The orders that can be claimed now, in the order in which they should be.
    fn due(&self) -> Vec<OrderId> {
        let now = self.clock.now();
        let may = |o: &Order| o.state == OrderState::Pending && o.due() <= now;
        let mut due: Vec<_> = self.orders.iter().filter(|(_, o)| may(o)).collect();
        due.sort_by_key(|(id, o)| (o.not_before, o.ordered_at, **id));
        due.into_iter().map(|(id, _)| *id).collect()
    }

    /// Writes down what a step came to.
    fn stepped(&mut self, node: usize, step: Step) {
        let (order, settlement) = match step {
            Step::Idle { .. } => return,
            Step::Settled { order, settlement } => (order, settlement),
            Step::LostClaim { order } => panic!("nobody else could have {order:?}"),
        };
        self.claimed(&order, None);
        self.failures[node] = match settlement {
            Settlement::Done { .. } => 0,
            _ => self.failures[node] + 1,
        };
        self.settled(order.id, &settlement);
    }

    fn claimed(&mut self, order: &LockOrder, token: Option<Uuid>) {
        let now = self.clock.now();
        let known = self.orders.get_mut(&order.id).expect("an unknown order");
        assert_eq!(order.identity, identity(known.who));
        known.attempts += 1;
        assert_eq!(order.attempts, known.attempts, "tries are counted");
        known.lease = Some((now + LEASE, token));
    }

    fn settled(&mut self, id: OrderId, settlement: &Settlement) {
        let now = self.clock.now();
        let known = self.orders.get_mut(&id).expect("an unknown order");
        known.lease = None;
        match settlement {
            Settlement::Done { .. } => known.state = OrderState::Done,
            Settlement::Later { at, .. } => {
                assert!(*at > now);
                known.not_before = *at;
                self.seen.failed += 1;
            }
            Settlement::Refused { why } => panic!("no fault is final: {why}"),
        }
        let who = known.who;
        if matches!(settlement, Settlement::Done { .. }) {
            assert!(self.is_locked(who), "called locked, but it is not");
        }
    }

    pub async fn die(&mut self, workers: usize, call: bool) {
        let now = self.clock.now();
        let due = self.due();
        let mut tasks = JoinSet::new();
        for n in 0..workers {
            let store = self.stores[n % 2].clone();
            tasks.spawn(async move { store.claim(&[TARGET.to_owned()], now, LEASE).await });
        }
        let claims = tasks.join_all().await;
        let claims: Vec<Claim> = claims.into_iter().filter_map(|c| c.unwrap()).collect();
        let mut ids: Vec<OrderId> = claims.iter().map(|c| c.order.id).collect();
        let mut want = due[..workers.min(due.len())].to_vec();
        ids.sort();
        want.sort();
        assert_eq!(ids, want, "each is claimed once, the longest waiting first");
        for claim in claims {
            self.seen.dead += 1;
            self.claimed(&claim.order, Some(claim.token));
            if call {
                self.target.carry_out(&claim.order).await;
            }
            self.dead.push(claim);
        }
    }

    pub async fn wake(&mut self, n: usize) {
        if self.dead.is_empty() {
            return;
        }
        let claim = self.dead.swap_remove(n % self.dead.len());
        let id = claim.order.id;
        let now = self.clock.now();
        let order = &self.orders[&id];
        let settlement = match self.is_locked(order.who) {
            true => Settlement::Done {
                answer: "OK".into(),
            },
            false => Settlement::Later {
                why: "no answer".into(),
                at: now + SignedDuration::from_secs(5),
            },
        };
        // The lease may have run out; it is lost only once somebody else has claimed.
        let holds = order
            .lease
            .is_some_and(|(_, token)| token == Some(claim.token));
        let store = &self.stores[n % 2];
        let written = store.settle(&claim, &settlement, now).await.unwrap();
        assert_eq!(written, holds, "only who holds the order may settle it");
        if written {
            self.seen.woken += 1;
            self.settled(id, &settlement);
        }
    }

    /// Time goes on and the filter is well, until nothing is left to do.
    pub async fn finish(&mut self) {
        for n in 0..1_000 {
            let node = n % 2;
            match self.outboxes[node].step().await.unwrap() {
                Step::Idle { next_due: None } => break,
                Step::Idle { next_due: Some(at) } => {
                    let wait = at.duration_since(self.clock.now());
                    let wait = Duration::try_from(wait).unwrap_or_default();
                    self.clock.advance(wait.max(Duration::from_secs(1)));
                }
                step => self.stepped(node, step),
            }
        }
        // Whoever was only slow comes too late now.
        while !self.dead.is_empty() {
            self.wake(0).await;
        }
        self.check(0).await;
        self.check_end().await;
        for store in &self.stores {
            store.close().await;
        }
    }
}
