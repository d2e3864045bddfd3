//! What of an order may go to a target: never an empty argument, a wildcard or a control, any of which would
//! reach further than the order does. Pure.

use crate::domain::identity::OutgoingUser;
use crate::domain::lock::{LockOrder, Subject};

/// Whom an order is about, fit to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope<'o> {
    pub(super) subject: Subject,
    /// The outgoing user, where the order has one that is fit.
    pub(super) user: Option<&'o OutgoingUser>,
    /// The identity or the sender; nothing for an outgoing user.
    pub(super) value: &'o str,
}

const NO_USER: &str =
    "the report names no outgoing user, and a lock without one would reach too far";
const DOMAIN: &str = "the domain is empty or a wildcard: the lock would reach every domain";
const USER: &str = "the username is empty or a wildcard: the lock would reach every outgoing user";
const VALUE: &str = "the identity is empty or a wildcard: the lock would reach every sender";

fn unfit(text: &str) -> bool {
    text.trim().is_empty() || text.contains('*') || text.chars().any(char::is_control)
}

impl<'o> Scope<'o> {
    /// The order's scope; an outgoing user that is there must be fit to be sent.
    pub(super) fn of(order: &'o LockOrder) -> Result<Self, &'static str> {
        let identity = &order.identity;
        let subject = order.subject;
        if let Some(user) = &identity.outgoing_user {
            if unfit(&user.domain) {
                return Err(DOMAIN);
            }
            // For a sender only the domain is sent.
            if unfit(&user.username) && subject != Subject::Sender {
                return Err(USER);
            }
        }
        if subject == Subject::OutgoingUser {
            return Ok(Self {
                subject,
                user: Some(identity.outgoing_user.as_ref().ok_or(NO_USER)?),
                value: "",
            });
        }
        if unfit(&identity.value) {
            return Err(VALUE);
        }
        Ok(Self {
            subject,
            user: identity.outgoing_user.as_ref(),
            value: &identity.value,
        })
    }

    /// The outgoing user, for targets that cannot do without.
    pub(super) fn user(&self) -> Result<&'o OutgoingUser, &'static str> {
        self.user.ok_or(NO_USER)
    }

    /// `NAME@DOMAIN`, for targets that know mailboxes only.
    pub(super) fn address(&self) -> Result<(&'o str, &'o str), &'static str> {
        let parts = self.value.rsplit_once('@');
        let fine = |text: &str| {
            !text.is_empty()
                && text.len() <= 255
                && !text.contains(|c: char| {
                    c.is_whitespace() || matches!(c, '@' | '"' | '\'' | '\\' | '/' | '%')
                })
        };
        match parts {
            Some((local, domain)) if fine(local) && fine(domain) => Ok((local, domain)),
            _ => Err("the identity is not the address of a mailbox"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::Identity;
    use crate::domain::ids::IncidentId;
    use crate::domain::lock::Action;
    use jiff::Timestamp;

    fn order(subject: Subject, user: Option<(&str, &str)>, value: &str) -> LockOrder {
        let incident = IncidentId::of(&[b"x"]);
        LockOrder {
            id: crate::domain::ids::OrderId::of(&[b"x"]),
            incident,
            action: Action::Lock,
            subject,
            identity: Identity {
                outgoing_user: user.map(|(domain, username)| OutgoingUser {
                    domain: domain.into(),
                    username: username.into(),
                }),
                value: value.into(),
            },
            target: "t".into(),
            reason: "r".into(),
            ordered_at: Timestamp::UNIX_EPOCH,
            attempts: 1,
        }
    }

    #[test]
    fn nothing_that_widens_is_fit() {
        for (user, value) in [
            (Some(("", "u")), "a@b.example"),
            (Some(("*", "u")), "a@b.example"),
            (Some(("b.example", "")), "a@b.example"),
            (Some(("b.example", "u*")), "a@b.example"),
            (Some(("b.example", "u\0")), "a@b.example"),
            (Some(("b.example", "u")), " "),
            (Some(("b.example", "u")), "*@b.example"),
            (None, "a\n@b.example"),
        ] {
            let order = order(Subject::Identity, user, value);
            assert!(Scope::of(&order).is_err(), "{user:?} {value:?}");
        }
        assert!(Scope::of(&order(Subject::OutgoingUser, None, "a")).is_err());
    }

    #[test]
    fn mailboxes() {
        for (value, fine) in [
            ("a@b.example", true),
            ("a+b-c@b.example", true),
            ("a@b@c.example", false),
            ("a", false),
            ("@b.example", false),
            ("a b@c.example", false),
            ("a%40b@c.example", false),
        ] {
            let order = order(Subject::Identity, None, value);
            let scope = Scope::of(&order).unwrap();
            assert_eq!(scope.address().is_ok(), fine, "{value}");
        }
    }
}
