//! Rules held against history: one identity's complaints go through the very functions that the live path
//! asks, in the order they were received, and what happened then is laid beside it.
//!
//! What a replay does not know: locks that were paused, the hour's budget, cool-downs, trials, and locks by hand.
//! A crossing that was held for a person counts as one, as it did then, and what is ordered counts as done.
//! Complaints have the weight, right and strength that they were filed with.

pub use super::comparison::{Difference, Happened, Outcome, compare};
use super::complaint::Complaint;
use super::course::{Course, rules_above};
use super::filing::Policy;
use super::identity::Identity;
use super::ids::{IncidentId, ReportId};
use super::incident::{Effect, Event, Explanation, Facts, IncidentState, Way, transition};
use super::life::Life;
use super::restraint::{self, Judged, Restraints, Trials};
use super::threshold::{About, Rule, Step, Tally, longest_window_start};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// An incident that history knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// Its identifier.
    pub id: IncidentId,
    /// Its state by now.
    pub state: String,
    /// Why it was opened.
    pub why: Explanation,
    /// When somebody ended it, if somebody did; not its age.
    pub ended_at: Option<Timestamp>,
}

impl Past {
    fn judged(&self) -> Judged {
        Judged {
            crossing: self.why.crossing.clone(),
            restraint: self.why.restraint.clone(),
        }
    }

    /// The step that it was at.
    fn step_at(&self, at: Timestamp) -> Step {
        let raised = self.why.escalations.iter().filter(|e| e.decided_at <= at);
        let steps = raised.map(|raised| raised.crossing.rule.action);
        steps.fold(self.why.crossing.rule.action, Step::max)
    }

    /// Whether it was written down without keeping the identity from being assessed.
    fn is_observed(&self) -> bool {
        self.state == "observed"
    }
}

/// A crossing in the replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Crossed {
    /// The incident's identifier, the same as in history if history crossed so too.
    pub incident: IncidentId,
    /// The rule.
    pub rule: String,
    /// What it asks for.
    pub action: Step,
    /// When.
    pub at: Timestamp,
    /// The complaint's report that crossed it.
    pub trigger: ReportId,
    /// The sums.
    pub tally: Tally,
    /// What would have kept it from ordering anything, by its stable name.
    pub restraint: Option<&'static str>,
}

/// The incident that is open in the replay.
#[derive(Clone, Debug)]
struct Open {
    id: IncidentId,
    step: Step,
    opened_at: Timestamp,
    /// When it ends, as far as that is known: history's own end, or its rule's timeout.
    ends_at: Option<Timestamp>,
}

impl Open {
    /// As if all that was ordered were done.
    fn state(&self) -> IncidentState {
        match self.step {
            Step::Lock => IncidentState::Locked,
            Step::Hold => IncidentState::Holding,
            _ => IncidentState::Open,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            step: self.step,
            in_effect: self.step.orders(),
            elsewhere: false,
        }
    }
}

/// What an identity without an open incident is at.
const UNTOUCHED: Facts = Facts {
    step: Step::Observe,
    in_effect: false,
    elsewhere: false,
};

/// One identity's replay.
#[derive(Debug)]
pub struct Replay<'p> {
    rules: &'p [Rule],
    restraints: Restraints,
    targets: bool,
    life: Life,
    /// When timeouts ended something in the replay.
    timeouts: Vec<Timestamp>,
    reopen_after: SignedDuration,
    identity: &'p Identity,
    /// Complaints up to then only fill the window.
    begins: Timestamp,
    course: Course,
    trimmed: Timestamp,
    open: Option<Open>,
    /// When people or targets ended something, in order, with what.
    ends: Vec<(Timestamp, IncidentId)>,
    next_end: usize,
    known: HashMap<IncidentId, Option<Timestamp>>,
    crossed: Vec<Crossed>,
}

impl<'p> Replay<'p> {
    /// A replay of what came after `begins`. `past`: the identity's incidents, the oldest first. What was open or
    /// spent at `begins` is so in the replay, whatever rule did it.
    pub fn new(
        policy: &'p Policy,
        identity: &'p Identity,
        past: &[Past],
        begins: Timestamp,
    ) -> Self {
        let seconds = i64::try_from(policy.reopen_after_seconds).unwrap_or(i64::MAX);
        let mut ends: Vec<_> = past
            .iter()
            .filter_map(|one| Some((one.ended_at?, one.id)))
            .collect();
        ends.sort();
        let mut replay = Self {
            rules: &policy.rules,
            restraints: Restraints {
                trials: Trials::default(),
                ..policy.restraints.clone()
            },
            targets: !policy.targets.is_empty(),
            life: policy.life,
            timeouts: Vec::new(),
            reopen_after: SignedDuration::from_secs(seconds),
            identity,
            begins,
            course: Course::new(Timestamp::MIN),
            trimmed: Timestamp::MIN,
            open: None,
            next_end: ends.partition_point(|(at, _)| *at <= begins),
            ends,
            known: past.iter().map(|one| (one.id, one.ended_at)).collect(),
            crossed: Vec::new(),
        };
        for one in past.iter().filter(|one| one.why.decided_at <= begins) {
            replay.inherit(one);
        }
        replay
    }

    /// Takes over what an incident from before the beginning left.
    fn inherit(&mut self, one: &Past) {
        let judged = one.judged();
        if one.is_observed() {
            // There was no target then, or none for this one.
            match judged.only_told(judged.way(false)) {
                true => self.course.told.note(&judged, one.why.decided_at),
                false => self.course.spend(judged.crossing.until),
            }
            return;
        }
        let opened_at = one.why.decided_at;
        let age = after(opened_at, self.reopen_after);
        match one.ended_at {
            Some(ended) if ended <= self.begins => self.course.spend(ended),
            None if age <= self.begins => self.course.spend(age),
            ends_at => {
                self.open = Some(Open {
                    id: one.id,
                    step: one.step_at(self.begins),
                    opened_at,
                    ends_at,
                });
            }
        }
    }

    /// The instant after which complaints are needed.
    pub fn needs_after(&self) -> Timestamp {
        longest_window_start(self.rules, self.begins)
    }

    /// The next complaint about the identity, in the order of receipt.
    pub fn take(&mut self, complaint: &Complaint) {
        let at = complaint.received_at;
        self.end_before(at);
        if !self.course.push(complaint.clone()) || at <= self.begins {
            return;
        }
        self.trim(at);
        let about = About::new(self.identity);
        loop {
            let rules = match &self.open {
                None => Cow::Borrowed(self.rules),
                Some(open) => rules_above(self.rules, open.step),
            };
            let judged = restraint::assess(
                &rules,
                &self.course.complaints,
                at,
                &about,
                &self.restraints,
                &self.course.told,
                at,
            );
            let Some(judged) = judged else { break };
            let way = judged.way(self.targets);
            let told = judged.only_told(way);
            if told {
                self.course.told.note(&judged, judged.crossing.until);
            }
            if !self.crossed(judged, way, complaint.report) || !told {
                break;
            }
        }
    }

    /// Lets the machine say what comes of a crossing. False when nothing does.
    fn crossed(&mut self, judged: Judged, way: Way, trigger: ReportId) -> bool {
        let (state, facts) = match &self.open {
            None => (None, UNTOUCHED),
            Some(open) => (Some(open.state()), open.facts()),
        };
        let event = Event::Crossed(judged.crossing.rule.action, way);
        let change = match transition(state, event, &facts) {
            Ok(change) if change.is_any() => change,
            _ => return false,
        };
        let until = judged.crossing.until;
        let rule = &judged.crossing.rule;
        let timeout = match change.step.orders() {
            true => {
                self.life
                    .terms(rule, self.timeouts_before(until))
                    .timeout_seconds
            }
            false => None,
        };
        let mut crossed = self.note(judged, trigger);
        if let Some(open) = &self.open {
            crossed.incident = open.id;
        }
        if change.effects.contains(&Effect::Spend) {
            self.course.spend(until);
        }
        if !change.state.is_over() {
            let timeout = timeout.and_then(|seconds| i64::try_from(seconds).ok());
            let times_out = timeout.map(|s| after(until, SignedDuration::from_secs(s)));
            let id = crossed.incident;
            self.open = Some(Open {
                id,
                step: change.step,
                opened_at: self.open.as_ref().map_or(until, |open| open.opened_at),
                ends_at: self.known.get(&id).copied().unwrap_or(times_out),
            });
        }
        self.crossed.push(crossed);
        true
    }

    /// How many timeouts are remembered.
    fn timeouts_before(&self, now: Timestamp) -> u64 {
        let back = i64::try_from(self.life.remember_seconds).unwrap_or(i64::MAX);
        let since = now.checked_sub(SignedDuration::from_secs(back));
        let since = since.unwrap_or(Timestamp::MIN);
        self.timeouts.iter().filter(|at| **at > since).count() as u64
    }

    fn note(&self, judged: Judged, trigger: ReportId) -> Crossed {
        let restraint = judged.restraint.as_ref().map(|r| r.as_str());
        let at = judged.crossing.until;
        let why = Explanation::by_rule(judged, trigger, at);
        Crossed {
            incident: why.incident_id(self.identity.id()),
            rule: why.crossing.rule.name,
            action: why.crossing.rule.action,
            at,
            trigger,
            tally: why.crossing.tally,
            restraint,
        }
    }

    /// Ends what ended before an instant, in order. What people ended then they end here too, whatever is open:
    /// they found the identity in order.
    fn end_before(&mut self, at: Timestamp) {
        loop {
            let next = self.ends.get(self.next_end).filter(|(end, _)| *end < at);
            let own = self.open.as_ref().map(|open| {
                let age = after(open.opened_at, self.reopen_after);
                open.ends_at.unwrap_or(age)
            });
            // An incident is ended by its age at the first complaint that is as old as that.
            let own = own.filter(|end| *end <= at);
            match (next, own) {
                (Some((end, _)), own) if own.is_none_or(|own| *end <= own) => {
                    let end = *end;
                    self.next_end += 1;
                    if self.open.as_ref().is_some_and(|open| open.opened_at <= end) {
                        self.open = None;
                        self.course.spend(end);
                    }
                }
                (_, Some(own)) => {
                    let ended = self.open.take();
                    // Whose end history knows it was not this timeout's, as far as is known.
                    if ended.is_some_and(|o| o.ends_at.is_some() && !self.known.contains_key(&o.id))
                    {
                        self.timeouts.push(own);
                    }
                    self.course.spend(own);
                }
                _ => return,
            }
        }
    }

    /// Forgets what no window needs any more; now and then, for it goes through them all.
    fn trim(&mut self, at: Timestamp) {
        let start = longest_window_start(self.rules, at);
        let half = longest_window_start(self.rules, start);
        if self.trimmed < half {
            self.trimmed = start;
            self.course.complaints.keep_after(start);
        }
    }

    /// The crossings, in order.
    pub fn finish(self) -> Vec<Crossed> {
        self.crossed
    }
}

fn after(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
