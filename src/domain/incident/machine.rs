//! What may follow in an incident's life: from where it stands and what happened to where it stands then and
//! what is to be done. Pure; the store carries out what it says, in one transaction.

use super::state::IncidentState as State;
use super::step::action;
use crate::domain::lock::{Action, OrderState};
use crate::domain::rule::Step;

/// How a crossing may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Orders go out.
    Free,
    /// They wait for a person.
    Held,
    /// It is only recorded: there is no target, or the identity is protected.
    Recorded,
    /// It is only recorded, because a rule or feed is on trial: as if it had not been.
    OnTrial,
}

/// Who ends a hold or lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A person, here.
    Hand,
    /// Its timeout.
    Timeout,
    /// Somebody at the target.
    Target,
}

impl By {
    /// The stable name, as in the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Timeout => "timeout",
            Self::Target => "target",
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A rule of that step was crossed.
    Crossed(Step, Way),
    /// A person orders that step.
    Ordered(Step),
    /// A person lets go out what was held.
    Approved,
    /// A person closes it, whatever is at the targets.
    Dismissed,
    /// All that was ordered last is confirmed.
    Done,
    /// A target will not take an order.
    Refused,
    /// It is to end; by a person here or by its timeout.
    Release(By),
    /// Somebody ended it at a target.
    UnlockedThere,
    /// A target lost it.
    LostThere,
    /// A lock that is not ours was found at a target.
    FoundThere,
    /// It is as old as incidents get.
    AgedOut,
}

/// What the machine must know besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The step that the incident is at.
    pub step: Step,
    /// Whether a hold or lock of it may be in effect at a target: a try was begun, or it was found there.
    pub in_effect: bool,
    /// The same for targets other than the one that the event speaks of.
    pub elsewhere: bool,
}

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write an order for each target, in a new round.
    Order(Action, OrderState),
    /// Write an order for the target that the event speaks of, in a new round.
    OrderThere(Action),
    /// Write release orders for the targets where it may be in effect, in a new round; not for the one that the
    /// event speaks of.
    Release,
    /// Take back the orders that are not carried out.
    Cancel,
    /// Let held orders go out.
    SendHeld,
    /// The timeout begins.
    StartTimer,
    /// The identity's window starts anew.
    Spend,
    /// For a while the identity is not locked at once again.
    CoolDown,
    /// The identity has no open incident any more.
    Free,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state then.
    pub state: State,
    /// The step then.
    pub step: Step,
    /// The audit's word for it; none when nothing changes.
    pub name: Option<&'static str>,
    /// What is to be done, in this order.
    pub effects: Vec<Effect>,
}

impl Change {
    /// Whether anything changes at all.
    pub fn is_any(&self) -> bool {
        self.name.is_some()
    }
}

/// Why something cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// There is no incident.
    #[error("there is no open incident")]
    NoIncident,
    /// It is over.
    #[error("the incident is over")]
    Over,
    /// It is so already.
    #[error("it is so already")]
    Already,
    /// It is not held.
    #[error("the incident is not held")]
    NotHeld,
    /// An open incident stands in the way.
    #[error("there is an open incident")]
    InTheWay,
    /// It makes no sense in this state.
    #[error("that cannot happen in this state")]
    Senseless,
}

/// What follows from an event. `state`: none where the identity has no open incident.
///
/// # Errors
/// When the event cannot be in that state.
pub fn transition(state: Option<State>, event: Event, facts: &Facts) -> Result<Change, NotAllowed> {
    match state {
        None => opening(event),
        Some(state) if state.is_over() => Err(NotAllowed::Over),
        Some(state) => {
            let at = At { state, facts };
            match event {
                Event::Crossed(step, way) => Ok(at.crossed(step, way)),
                Event::Ordered(step) => at.ordered(step),
                Event::Approved => at.approved(),
                Event::Dismissed => Ok(at.ended(State::Closed, "incident.closed")),
                Event::Done => at.done(),
                Event::Refused => at.refused(),
                Event::Release(by) => at.release(by),
                Event::UnlockedThere => at.unlocked_there(),
                Event::LostThere => at.lost_there(),
                Event::FoundThere => Err(NotAllowed::InTheWay),
                Event::AgedOut => Ok(at.aged_out()),
            }
        }
    }
}

/// The beginning of an incident.
fn opening(event: Event) -> Result<Change, NotAllowed> {
    let begin = |state, step, name, effects: Vec<Effect>| Change {
        state,
        step,
        name: Some(name),
        effects,
    };
    let order = |step, state| action(step).map(|action| Effect::Order(action, state));
    Ok(match event {
        Event::Crossed(step, way) => {
            let way = match step {
                Step::Observe => Way::OnTrial,
                // Nothing is sent that could be held.
                Step::Notify if way == Way::Held => Way::Free,
                _ => way,
            };
            let (state, name, orders) = match way {
                Way::Free if step == Step::Notify => {
                    (State::Open, "incident.noted", OrderState::Pending)
                }
                Way::Free => (State::Open, "incident.opened", OrderState::Pending),
                Way::Held => (State::Held, "incident.held", OrderState::Held),
                Way::Recorded | Way::OnTrial => {
                    (State::Observed, "incident.observed", OrderState::Observed)
                }
            };
            let mut effects = Vec::from_iter(order(step, orders));
            // What is recorded below the top of the ladder must not take complaints from the steps above it.
            if way == Way::Recorded && step == Step::Lock {
                effects.push(Effect::Spend);
            }
            begin(state, step, name, effects)
        }
        Event::Ordered(step) => {
            let order = order(step, OrderState::Pending).ok_or(NotAllowed::Senseless)?;
            begin(State::Open, step, "incident.ordered", vec![order])
        }
        Event::FoundThere => begin(State::Locked, Step::Lock, "incident.adopted", vec![]),
        _ => return Err(NotAllowed::NoIncident),
    })
}

/// Where an open incident stands.
struct At<'f> {
    state: State,
    facts: &'f Facts,
}

impl At<'_> {
    fn nothing(&self) -> Change {
        Change {
            state: self.state,
            step: self.facts.step,
            name: None,
            effects: vec![],
        }
    }

    fn to(&self, state: State, name: &'static str, effects: Vec<Effect>) -> Change {
        Change {
            state,
            step: self.facts.step,
            name: Some(name),
            effects,
        }
    }

    fn ended(&self, state: State, name: &'static str) -> Change {
        self.to(
            state,
            name,
            vec![Effect::Cancel, Effect::Spend, Effect::Free],
        )
    }

    fn released(&self) -> Change {
        let effects = vec![
            Effect::Cancel,
            Effect::Spend,
            Effect::CoolDown,
            Effect::Free,
        ];
        self.to(State::Released, "incident.released", effects)
    }

    /// Orders of a step take the place of what was ordered before.
    fn raised(&self, step: Step, orders: OrderState, name: &'static str) -> Change {
        let state = match orders {
            OrderState::Held => State::Held,
            _ => State::Open,
        };
        let order = action(step).map(|action| Effect::Order(action, orders));
        Change {
            step,
            ..self.to(
                state,
                name,
                Vec::from_iter([Effect::Cancel].into_iter().chain(order)),
            )
        }
    }

    fn crossed(&self, step: Step, way: Way) -> Change {
        // While it is being released nobody looks at complaints: they are of mail from before.
        if step <= self.facts.step || !step.orders() || self.state == State::Releasing {
            return self.nothing();
        }
        match way {
            Way::Recorded | Way::OnTrial => self.nothing(),
            Way::Free => self.raised(step, OrderState::Pending, "incident.escalated"),
            // A hold that is in effect stays; the next complaint asks again.
            Way::Held if self.facts.in_effect => self.nothing(),
            Way::Held => self.raised(step, OrderState::Held, "incident.held"),
        }
    }

    fn ordered(&self, step: Step) -> Result<Change, NotAllowed> {
        if !step.orders() {
            return Err(NotAllowed::Senseless);
        }
        let is_so = match self.state {
            State::Open | State::Holding | State::Locked => step <= self.facts.step,
            _ => false,
        };
        if is_so {
            return Err(NotAllowed::Already);
        }
        let step = step.max(self.facts.step);
        Ok(self.raised(step, OrderState::Pending, "incident.ordered"))
    }

    fn approved(&self) -> Result<Change, NotAllowed> {
        match self.state {
            State::Held => Ok(self.to(State::Open, "incident.approved", vec![Effect::SendHeld])),
            _ => Err(NotAllowed::NotHeld),
        }
    }

    fn done(&self) -> Result<Change, NotAllowed> {
        let timer = || vec![Effect::StartTimer];
        match (self.state, self.facts.step) {
            (State::Open, Step::Lock) => Ok(self.to(State::Locked, "incident.locked", timer())),
            (State::Open, Step::Hold) => Ok(self.to(State::Holding, "incident.holding", timer())),
            (State::Releasing, _) => Ok(self.released()),
            // One target refused, and another one comes later.
            (State::Refused, _) => Ok(self.nothing()),
            _ => Err(NotAllowed::Senseless),
        }
    }

    fn refused(&self) -> Result<Change, NotAllowed> {
        match self.state {
            State::Open if !self.facts.step.orders() => Err(NotAllowed::Senseless),
            State::Open | State::Releasing => {
                Ok(self.to(State::Refused, "incident.refused", vec![]))
            }
            State::Refused => Ok(self.nothing()),
            _ => Err(NotAllowed::Senseless),
        }
    }

    fn release(&self, by: By) -> Result<Change, NotAllowed> {
        match (self.state, by) {
            (State::Releasing, _) => Err(NotAllowed::Already),
            (_, By::Target) => Err(NotAllowed::Senseless),
            (State::Holding | State::Locked, _) | (_, By::Hand) => Ok(match self.facts.in_effect {
                true => self.to(
                    State::Releasing,
                    "incident.releasing",
                    vec![Effect::Cancel, Effect::Release],
                ),
                false => self.ended(State::Closed, "incident.closed"),
            }),
            (_, By::Timeout) => Err(NotAllowed::Senseless),
        }
    }

    fn unlocked_there(&self) -> Result<Change, NotAllowed> {
        match self.state {
            State::Holding | State::Locked => Ok(match self.facts.elsewhere {
                true => self.to(
                    State::Releasing,
                    "incident.releasing",
                    vec![Effect::Cancel, Effect::Release],
                ),
                false => self.released(),
            }),
            _ => Err(NotAllowed::Senseless),
        }
    }

    fn lost_there(&self) -> Result<Change, NotAllowed> {
        let again = action(self.facts.step).map(Effect::OrderThere);
        match (self.state, again) {
            (State::Holding | State::Locked, Some(again)) => {
                Ok(self.to(State::Open, "incident.repaired", vec![again]))
            }
            _ => Err(NotAllowed::Senseless),
        }
    }

    fn aged_out(&self) -> Change {
        match self.state {
            // Orders wait; when they are through it is another matter.
            State::Open if self.facts.step.orders() => self.nothing(),
            State::Releasing => self.nothing(),
            _ => self.ended(State::Expired, "incident.expired"),
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
