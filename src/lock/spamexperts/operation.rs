//! Which call an order comes to, with which arguments, and which listing shows whether it worked. An argument
//! is never left empty, for the filter takes that as omitted and reaches further.

use super::super::scope::Scope;
use super::SpamExperts;
use super::settings::{Call, Style};
use crate::domain::lock::{Action, Subject};

/// The arguments of one call, in order.
pub(super) struct Arguments<'o> {
    pub(super) arguments: Vec<(&'static str, &'o str)>,
    /// The one that names whom it is about.
    pub(super) value: &'o str,
}

impl<'o> Arguments<'o> {
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'o str, &'o str)> + '_ {
        self.arguments.iter().map(|(key, value)| (*key, *value))
    }
}

/// One order as the filter takes it.
pub(super) struct Operation<'o> {
    /// The label in metrics and texts.
    pub(super) label: &'static str,
    pub(super) call: &'o Call,
    pub(super) arguments: Arguments<'o>,
    /// The listing that shows the effect, if there is one, and its arguments.
    pub(super) list: Option<&'o Call>,
    pub(super) listing: Arguments<'o>,
    /// Whether it is to be listed afterwards.
    pub(super) wanted: bool,
}

/// Marks that a server may take for the path's own, once it has undone the escapes.
const PATH_MARKS: [char; 2] = ['/', '\\'];

impl SpamExperts {
    /// The label and the call for such an order, if it is configured.
    pub(super) fn call_for(
        &self,
        action: Action,
        subject: Subject,
    ) -> Option<(&'static str, &Call)> {
        let s = &self.settings;
        let (label, call) = match (action, subject) {
            (Action::Hold, _) => return None,
            (Action::Lock, Subject::Identity) => ("lock", &self.lock),
            (Action::Release, Subject::Identity) => ("unlock", &s.unlock),
            (Action::Lock, Subject::OutgoingUser) => ("lock_user", &s.lock_user),
            (Action::Release, Subject::OutgoingUser) => ("unlock_user", &s.unlock_user),
            (Action::Lock, Subject::Sender) => ("blacklist", &s.blacklist),
            (Action::Release, Subject::Sender) => ("unblacklist", &s.unblacklist),
        };
        (!call.call.trim().is_empty()).then_some((label, call))
    }

    pub(super) fn operation<'o>(
        &'o self,
        action: Action,
        scope: Scope<'o>,
    ) -> Result<Operation<'o>, &'static str> {
        let (label, call) = self
            .call_for(action, scope.subject)
            .ok_or("no call is configured for such an order")?;
        let user = scope.user()?;
        let domain = ("domain", user.domain.as_str());
        let username = ("username", user.username.as_str());
        let (arguments, listing, value, list) = match scope.subject {
            Subject::Identity => (
                vec![domain, username, ("identity", scope.value)],
                vec![domain, username],
                scope.value,
                &self.list,
            ),
            Subject::OutgoingUser => (
                vec![domain, username],
                vec![domain],
                username.1,
                &self.settings.list_users,
            ),
            Subject::Sender => (
                vec![domain, ("sender", scope.value)],
                vec![domain],
                scope.value,
                &self.settings.list_senders,
            ),
        };
        if self.settings.style == Style::Path {
            let fits = |text: &str| !text.contains(PATH_MARKS) && !matches!(text, "." | "..");
            if !arguments.iter().all(|(_, value)| fits(value)) {
                return Err("it holds what a path cannot carry: the call would reach elsewhere");
            }
        }
        Ok(Operation {
            label,
            call,
            arguments: Arguments { arguments, value },
            list: (!list.call.is_empty()).then_some(list),
            listing: Arguments {
                arguments: listing,
                value,
            },
            wanted: action != Action::Release,
        })
    }
}
