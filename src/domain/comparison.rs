//! What a replay gives beside what happened: crossing by crossing the same, earlier, later, new or never.

use super::ids::IncidentId;
use super::replay::{Crossed, Past};
use super::restraint::Restraint;
use super::threshold::Step;
use jiff::Timestamp;
use serde::Serialize;

/// How a replayed crossing lies to what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// At the same instant.
    Same,
    /// Before it happened.
    Earlier,
    /// After it happened.
    Later,
    /// It did not happen.
    New,
    /// It happened, and does not by these rules.
    Never,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Same,
        Self::Earlier,
        Self::Later,
        Self::New,
        Self::Never,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Earlier => "earlier",
            Self::Later => "later",
            Self::New => "new",
            Self::Never => "never",
        }
    }
}

/// What happened to one identity, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// The incident.
    pub incident: IncidentId,
    /// Its rule.
    pub rule: String,
    /// What the rule asked for.
    pub action: Step,
    /// When it was crossed.
    pub at: Timestamp,
    /// The incident's state by now.
    pub state: String,
}

/// One crossing beside what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How they lie to each other.
    pub outcome: Outcome,
    /// By these rules.
    pub replayed: Option<Crossed>,
    /// In fact.
    pub happened: Option<Happened>,
}

impl Difference {
    fn of(replayed: Option<Crossed>, happened: Option<Happened>) -> Self {
        let outcome = match (&replayed, &happened) {
            (Some(ours), Some(theirs)) => match ours.at.cmp(&theirs.at) {
                std::cmp::Ordering::Less => Outcome::Earlier,
                std::cmp::Ordering::Equal => Outcome::Same,
                std::cmp::Ordering::Greater => Outcome::Later,
            },
            (None, _) => Outcome::Never,
            (Some(_), None) => Outcome::New,
        };
        Self {
            outcome,
            replayed,
            happened,
        }
    }

    /// When it was, in the replay or else in fact.
    pub fn at(&self) -> Timestamp {
        let replayed = self.replayed.as_ref().map(|crossed| crossed.at);
        let happened = self.happened.as_ref().map(|happened| happened.at);
        replayed.or(happened).unwrap_or_default()
    }
}

/// Lays one identity's replay beside its past: holds and locks, and with `notices` what is only told as well. What
/// was crossed at the same instant belongs together, and of the others the first to the first. Crossings of
/// something on trial did not count then, and do not here.
pub fn compare(
    replayed: Vec<Crossed>,
    past: &[Past],
    begins: Timestamp,
    notices: bool,
) -> Vec<Difference> {
    let mut all = Vec::new();
    for orders in [true, false].into_iter().take(1 + usize::from(notices)) {
        let ours = replayed.iter().filter(|c| c.action.orders() == orders);
        let mut ours: Vec<Option<Crossed>> = ours.cloned().map(Some).collect();
        let counted = |one: &&Past| one.why.restraint != Some(Restraint::Trial);
        let theirs = past.iter().filter(counted).flat_map(happened);
        let theirs = theirs.filter(|one| one.action.orders() == orders && one.at > begins);
        let mut theirs: Vec<Option<Happened>> = theirs.map(Some).collect();
        let mut paired = Vec::new();
        // The very same first: of several at one instant each has its own.
        for same in [is_same, is_simultaneous] {
            for one in ours.iter_mut().filter(|one| one.is_some()) {
                let other = theirs.iter_mut().find(|other| {
                    let pair = one.as_ref().zip(other.as_ref());
                    pair.is_some_and(|(one, other)| same(one, other))
                });
                if let Some(other) = other {
                    paired.push(Difference::of(one.take(), other.take()));
                }
            }
        }
        let mut rest = theirs.into_iter().flatten();
        for one in ours.into_iter().flatten() {
            paired.push(Difference::of(Some(one), rest.next()));
        }
        paired.extend(rest.map(|other| Difference::of(None, Some(other))));
        all.extend(paired);
    }
    all.sort_by_key(Difference::at);
    all
}

fn is_same(ours: &Crossed, theirs: &Happened) -> bool {
    ours.incident == theirs.incident && ours.rule == theirs.rule
}

fn is_simultaneous(ours: &Crossed, theirs: &Happened) -> bool {
    ours.at == theirs.at
}

/// An incident's crossing, and those that raised it.
fn happened(past: &Past) -> impl Iterator<Item = Happened> {
    let raised = past.why.escalations.iter().map(|raised| &raised.crossing);
    std::iter::once(&past.why.crossing)
        .chain(raised)
        .map(|crossing| Happened {
            incident: past.id,
            rule: crossing.rule.name.clone(),
            action: crossing.rule.action,
            at: crossing.until,
            state: past.state.clone(),
        })
}
