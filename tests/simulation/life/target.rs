//! A target in memory that can be told how to behave, with a panel that others use, and that remembers what was
//! done there and when.

use super::Fault;
use arfd::clock::{Clock, ManualClock};
use arfd::domain::identity::Identity;
use arfd::domain::lock::{Action, LockOrder, Outcome, Subject};
use arfd::lock::{Listed, LockTarget, NoListing};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Something that changed there.
#[derive(Clone, Debug)]
pub struct Change {
    pub at: Timestamp,
    pub identity: String,
    /// None: it is free.
    pub now: Option<Action>,
    pub by_panel: bool,
}

#[derive(Debug)]
pub struct Fake {
    clock: Arc<ManualClock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<String, (Action, Identity)>,
    next: Option<Fault>,
    log: Vec<Change>,
}

impl Fake {
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    pub fn next(&self, fault: Fault) {
        self.state.lock().unwrap().next = Some(fault);
    }

    pub fn held(&self) -> BTreeMap<String, Action> {
        let state = self.state.lock().unwrap();
        state
            .held
            .iter()
            .map(|(who, (action, _))| (who.clone(), *action))
            .collect()
    }

    pub fn log(&self) -> Vec<Change> {
        self.state.lock().unwrap().log.clone()
    }

    /// Does what an order asks, at once.
    pub fn effect(&self, order: &LockOrder) {
        let now = (order.action != Action::Release).then_some(order.action);
        self.change(&order.identity, now, false);
    }

    pub fn panel(&self, identity: &Identity, now: Option<Action>) {
        self.change(identity, now, true);
    }

    fn change(&self, identity: &Identity, now: Option<Action>, by_panel: bool) {
        let mut state = self.state.lock().unwrap();
        let before = match now {
            Some(action) => {
                let entry = (action, identity.clone());
                state
                    .held
                    .insert(identity.value.clone(), entry)
                    .map(|(action, _)| action)
            }
            None => state.held.remove(&identity.value).map(|(action, _)| action),
        };
        if before != now {
            let at = self.clock.now();
            let identity = identity.value.clone();
            state.log.push(Change {
                at,
                identity,
                now,
                by_panel,
            });
        }
    }
}

#[async_trait]
impl LockTarget for Fake {
    fn name(&self) -> &str {
        super::world::TARGET
    }

    fn can(&self, _: Action, _: Subject) -> bool {
        true
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        let fault = self
            .state
            .lock()
            .unwrap()
            .next
            .take()
            .unwrap_or(Fault::Fine);
        if fault != Fault::Wrong {
            self.effect(order);
        }
        match fault {
            Fault::Fine => Outcome::Done {
                answer: "OK".into(),
            },
            Fault::Late | Fault::Wrong => Outcome::Later {
                why: "no answer".into(),
            },
        }
    }

    async fn list(&self, _: &[String]) -> Result<Vec<Listed>, NoListing> {
        let state = self.state.lock().unwrap();
        let listed = |(action, identity): &(Action, Identity)| Listed {
            action: *action,
            subject: Subject::Identity,
            identity: identity.clone(),
        };
        Ok(state.held.values().map(listed).collect())
    }
}
