//! The ladder as orders: what each step of a rule asks of a target.

use crate::domain::lock::Action;
use crate::domain::rule::Step;

/// What a step asks of a target.
pub(super) fn action(step: Step) -> Option<Action> {
    match step {
        Step::Observe | Step::Notify => None,
        Step::Hold => Some(Action::Hold),
        Step::Lock => Some(Action::Lock),
    }
}
