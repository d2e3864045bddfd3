//! What must hold at the end of a history.

use super::PEOPLE;
use super::world::{COOL, World, name};
use crate::support::filings::identity;
use arfd::domain::audit::Follower;
use arfd::domain::incident::IncidentState;
use arfd::domain::lock::{Action, OrderState};
use arfd::store::IncidentRow;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

impl World {
    /// All of it.
    pub(super) async fn check(&mut self) {
        self.check_effects().await;
        self.check_flapping().await;
        self.check_audit().await;
        self.store.close().await;
    }

    /// What is in effect at the target is what the store says.
    async fn check_effects(&mut self) {
        let rows = self.store.incidents(100_000).await.unwrap();
        let orders = self.store.orders(100_000).await.unwrap();
        let pending = orders
            .iter()
            .filter(|o| o.state == OrderState::Pending)
            .count();
        assert_eq!(pending, 0, "orders are left");
        let held = self.target.held();
        for who in 0..PEOPLE {
            let value = identity(&name(who)).value;
            let mine: Vec<&IncidentRow> = rows.iter().filter(|row| row.identity == value).collect();
            let open: Vec<&&IncidentRow> = mine
                .iter()
                .filter(|row| !IncidentState::named(&row.state).unwrap().is_over())
                .collect();
            assert!(open.len() <= 1, "two open incidents of {value}");
            self.seen.locked += mine.iter().filter(|row| row.state == "locked").count();
            self.seen.released += mine.iter().filter(|row| row.state == "released").count();
            let there = held.get(&value);
            match open.first().map(|row| row.state.as_str()) {
                Some("locked") => assert_eq!(there, Some(&Action::Lock), "{value} is not locked"),
                Some("holding") => assert!(there.is_some(), "{value} is not held"),
                Some("open") | Some("held") => {}
                None => {
                    // Closed by hand it stays as it is there; released it is free, or adopted if not.
                    let newest = mine.first().map(|row| row.state.as_str());
                    if newest == Some("released") {
                        assert_eq!(there, None, "{value} is released, and locked there");
                    }
                }
                Some(other) => panic!("{value} ends {other}"),
            }
        }
    }

    /// After a release nobody is locked again within the cool-down, but by a person.
    async fn check_flapping(&self) {
        let mut freed: BTreeMap<String, Timestamp> = BTreeMap::new();
        let cool = SignedDuration::from_secs(COOL as i64);
        for change in self.target.log() {
            if change.by_panel {
                // A person; what follows of it is not counted from there.
                freed.remove(&change.identity);
                continue;
            }
            match change.now {
                None => {
                    freed.insert(change.identity.clone(), change.at);
                }
                Some(action) => {
                    let Some(at) = freed.remove(&change.identity) else {
                        continue;
                    };
                    let person = self.by_person.get(&change.identity);
                    assert!(
                        change.at >= at + cool || person.is_some_and(|person| *person >= at - cool),
                        "{} was released at {at} and {} again at {}",
                        change.identity,
                        action.as_str(),
                        change.at
                    );
                }
            }
        }
    }

    async fn check_audit(&self) {
        let end = self.store.audit_head().await.unwrap();
        let mut follower = Follower::default();
        while follower.number < end.number {
            let links = self
                .store
                .audit_after(follower.number, end.number, 500)
                .await
                .unwrap();
            assert!(!links.is_empty(), "the chain is short");
            for link in &links {
                follower.follow(link).unwrap();
            }
        }
        follower.end(end.number, &end.digest).unwrap();
        assert_eq!(self.store.audit_outside().await.unwrap(), 0);
        // Every incident's states are told there, the last one being the one that it has.
        for row in self.store.incidents(100_000).await.unwrap() {
            let links = self.store.audit_of(row.id, 10_000).await.unwrap();
            let told = links
                .iter()
                .rev()
                .find(|link| link.entry.action.starts_with("incident."));
            let told = told
                .map(|link| link.entry.action.as_str())
                .unwrap_or_default();
            let fits: &[&str] = match row.state.as_str() {
                "open" => &[
                    "incident.opened",
                    "incident.noted",
                    "incident.escalated",
                    "incident.ordered",
                    "incident.approved",
                    "incident.repaired",
                ],
                "locked" => &["incident.locked", "incident.adopted"],
                "holding" => &["incident.holding"],
                "held" => &["incident.held"],
                "released" => &["incident.released"],
                "closed" => &["incident.closed"],
                "observed" => &["incident.observed"],
                "expired" => &["incident.expired"],
                other => panic!("{other}"),
            };
            assert!(
                fits.contains(&told),
                "{} is {}, the audit says {told}",
                row.id,
                row.state
            );
        }
    }
}
