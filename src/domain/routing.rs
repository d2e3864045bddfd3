//! Which targets an order goes to: each target says whose orders it takes and which ones it can carry out. An
//! order goes to every target that takes it.

use super::identity::Identity;
use super::lock::{Action, Subject};
use super::pattern::IdentityPattern;

/// One target's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The target's name.
    pub target: String,
    /// Whose orders it takes; empty for everybody's.
    pub patterns: Vec<IdentityPattern>,
    /// What it can carry out, and is meant to.
    pub takes: Vec<(Action, Subject)>,
}

impl Route {
    /// Whether such an order about this identity is for this target.
    pub fn takes(&self, action: Action, subject: Subject, identity: &Identity) -> bool {
        self.takes.contains(&(action, subject))
            && (self.patterns.is_empty() || self.patterns.iter().any(|p| p.matches(identity)))
    }
}

/// All targets in use, in the order of the configuration. Without any, orders are only recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing(pub Vec<Route>);

impl Routing {
    /// Locks, holds and releases of identities go to all of these.
    pub fn to_all<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let takes = Action::ALL.map(|action| (action, Subject::Identity));
        let route = |name: &str| Route {
            target: name.to_owned(),
            patterns: Vec::new(),
            takes: takes.to_vec(),
        };
        Self(names.into_iter().map(route).collect())
    }

    /// Whether there is no target at all: orders are only recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The targets of an order; none: nobody takes it, which the desk must hear of.
    pub fn targets(&self, action: Action, subject: Subject, identity: &Identity) -> Vec<&str> {
        let takes = |route: &&Route| route.takes(action, subject, identity);
        let taking = self.0.iter().filter(takes);
        taking.map(|route| route.target.as_str()).collect()
    }

    /// Whether a target of that name is in use.
    pub fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|route| route.target == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::OutgoingUser;

    fn route(target: &str, patterns: &[&str], takes: &[(Action, Subject)]) -> Route {
        Route {
            target: target.into(),
            patterns: patterns.iter().map(|p| p.parse().unwrap()).collect(),
            takes: takes.to_vec(),
        }
    }

    #[test]
    fn an_order_goes_to_every_target_that_takes_it() {
        let lock = (Action::Lock, Subject::Identity);
        let hold = (Action::Hold, Subject::Identity);
        let routing = Routing(vec![
            route("filter", &["user:*@one.example", "*@two.example"], &[lock]),
            route("panel", &["domain:one.example"], &[lock, hold]),
            route("hook", &[], &[hold]),
        ]);
        let identity = |value: &str, user: Option<&str>| Identity {
            outgoing_user: user.and_then(OutgoingUser::parse),
            value: value.into(),
        };
        for (value, user, action, want) in [
            (
                "a@x.example",
                Some("u@one.example"),
                Action::Lock,
                &["filter", "panel"][..],
            ),
            (
                "a@x.example",
                Some("u@one.example"),
                Action::Hold,
                &["panel", "hook"],
            ),
            ("a@two.example", None, Action::Lock, &["filter"]),
            ("a@three.example", None, Action::Lock, &[]),
            ("a@three.example", None, Action::Hold, &["hook"]),
            ("a@two.example", None, Action::Release, &[]),
        ] {
            let got = routing.targets(action, Subject::Identity, &identity(value, user));
            assert_eq!(got, want, "{value} {action:?}");
        }
        let user = identity("a@x.example", Some("u@one.example"));
        assert!(
            routing
                .targets(Action::Lock, Subject::OutgoingUser, &user)
                .is_empty()
        );
        assert!(routing.knows("hook") && !routing.knows("other"));
    }
}
