//! What must hold after each operation, and at the end.

use super::mail::{PEOPLE, identity};
use super::world::World;
use arfd::cli::demo::stand_in::Entry;
use arfd::domain::lock::OrderState;
use arfd::store::Store;
use std::collections::{BTreeMap, BTreeSet};

const ALL: u32 = 100_000;

fn entry(who: usize) -> Entry {
    let (username, domain, value) = PEOPLE[who];
    Entry {
        domain: domain.into(),
        username: username.into(),
        identity: value.into(),
    }
}

impl World {
    /// Whether the stand-in has this person locked.
    pub fn is_locked(&self, who: usize) -> bool {
        self.stand_in.locked().contains(&entry(who))
    }

    /// The whole store, as that node sees it, is what the model says.
    pub async fn check(&self, node: usize) {
        let store = &self.stores[node];
        self.check_reports(store.as_ref()).await;
        self.check_incidents(store.as_ref()).await;
        self.check_orders(store.as_ref()).await;
        let locked = self.stand_in.locked();
        assert_eq!(self.stand_in.effective_locks(), locked.len());
        let crossed = self.crossed();
        for entry in locked {
            assert!(crossed.contains(&entry), "nobody asked to lock {entry:?}");
        }
    }

    fn crossed(&self) -> BTreeSet<Entry> {
        let lockable = |who: &usize| !self.observe && self.model.crossings(*who) > 0;
        (0..PEOPLE.len()).filter(lockable).map(entry).collect()
    }

    async fn check_reports(&self, store: &dyn Store) {
        let rows = store.reports(ALL).await.unwrap();
        assert_eq!(rows.len(), self.model.reports());
        let stored: BTreeMap<_, _> = rows.iter().map(|r| (r.id, r.standing.as_str())).collect();
        let filed = self
            .filed
            .iter()
            .map(|(id, (standing, _))| (*id, *standing));
        assert_eq!(stored, filed.collect());
    }

    async fn check_incidents(&self, store: &dyn Store) {
        let rows = store.incidents(ALL).await.unwrap();
        assert_eq!(rows.len(), self.incidents.len());
        let mut states: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for row in &rows {
            let who = self.incidents[&row.id];
            let user = identity(who).outgoing_user.unwrap();
            assert_eq!(row.identity, PEOPLE[who].2);
            assert_eq!(row.domain.as_ref(), Some(&user.domain));
            assert_eq!(row.username.as_ref(), Some(&user.username));
            states.entry(who).or_default().push(&row.state);
        }
        for who in 0..PEOPLE.len() {
            let states = states.remove(&who).unwrap_or_default();
            assert_eq!(states.len(), self.model.crossings(who));
            if self.observe {
                assert!(states.iter().all(|s| *s == "observed"), "{states:?}");
                continue;
            }
            assert!(states.len() <= 1, "two incidents for one identity");
            let of = |o: &&super::world::Order| o.who == who;
            let locked = self.orders.values().find(of).map(|o| o.state);
            let want = locked.map(|state| match state {
                OrderState::Done => "locked",
                _ => "open",
            });
            assert_eq!(states.first().copied(), want);
        }
    }

    async fn check_orders(&self, store: &dyn Store) {
        let rows = store.orders(ALL).await.unwrap();
        assert_eq!(rows.len(), self.orders.len());
        for row in &rows {
            let want = &self.orders[&row.order.id];
            let got = (
                row.state,
                row.order.attempts,
                row.not_before,
                row.order.ordered_at,
            );
            let want_row = (want.state, want.attempts, want.not_before, want.ordered_at);
            assert_eq!(got, want_row, "(state, attempts, not before, ordered at)");
            assert_eq!(row.order.identity, identity(want.who));
            assert_eq!(row.settled_at.is_some(), row.state != OrderState::Pending);
        }
    }

    /// Nothing is pending, everybody who crossed is locked, once, and every report is there as it came.
    pub async fn check_end(&self) {
        let done = match self.observe {
            true => OrderState::Observed,
            false => OrderState::Done,
        };
        assert!(self.orders.values().all(|o| o.state == done));
        let locked: BTreeSet<Entry> = self.stand_in.locked().into_iter().collect();
        assert_eq!(locked, self.crossed());
        assert_eq!(self.stand_in.effective_locks(), self.crossed().len());
        for (node, (id, (_, bytes))) in self.filed.iter().enumerate() {
            let kept = self.stores[node % 2].evidence(*id).await.unwrap();
            assert!(
                kept.as_ref() == Some(bytes),
                "report {id} is not as it came"
            );
        }
    }
}
