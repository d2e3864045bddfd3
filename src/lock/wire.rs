//! Orders and listings as JSON (`schemas/lock-order.schema.json`, `schemas/lock-list.schema.json`): what a
//! webhook gets and a program reads, and what both may say is locked. Pure.

use super::Listed;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::{IncidentId, OrderId};
use crate::domain::lock::{Action, LockOrder, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of both forms.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Order<'o> {
    version: u8,
    id: OrderId,
    incident: IncidentId,
    action: Action,
    subject: Subject,
    identity: &'o str,
    outgoing_user: Option<&'o OutgoingUser>,
    target: &'o str,
    reason: &'o str,
    ordered_at: Timestamp,
    attempt: u32,
}

/// The order as JSON, on one line.
pub(super) fn order(order: &LockOrder) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Order {
        version: VERSION,
        id: order.id,
        incident: order.incident,
        action: order.action,
        subject: order.subject,
        identity: &order.identity.value,
        outgoing_user: order.identity.outgoing_user.as_ref(),
        target: &order.target,
        reason: &order.reason,
        ordered_at: order.ordered_at,
        attempt: order.attempts,
    })
}

#[derive(Deserialize)]
struct List {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    action: Action,
    #[serde(default)]
    subject: Subject,
    #[serde(default)]
    identity: String,
    #[serde(default)]
    outgoing_user: Option<OutgoingUser>,
}

/// A listing. None where it is not of that form, or an entry names nobody.
pub(super) fn listing(bytes: &[u8]) -> Option<Vec<Listed>> {
    let list: List = serde_json::from_slice(bytes).ok()?;
    let entry = |entry: Entry| {
        let named = match entry.subject {
            Subject::OutgoingUser => entry.outgoing_user.is_some(),
            Subject::Identity | Subject::Sender => !entry.identity.trim().is_empty(),
        };
        (named && entry.action != Action::Release).then_some(Listed {
            action: entry.action,
            subject: entry.subject,
            identity: Identity {
                outgoing_user: entry.outgoing_user,
                value: entry.identity,
            },
        })
    };
    list.entries.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_read_whole_or_not_at_all() {
        let read = listing(
            br#"{"entries":[{"action":"lock","identity":"a@b.example"},
                {"action":"hold","subject":"outgoing_user","outgoing_user":{"domain":"b.example","username":"u"}}]}"#,
        )
        .unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].subject, Subject::Identity);
        assert_eq!(read[1].action, Action::Hold);
        for bad in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"entries":[{"action":"lock"}]}"#,
            br#"{"entries":[{"action":"release","identity":"a"}]}"#,
            br#"{"entries":[{"identity":"a"}]}"#,
            br#"{"entries":[{"action":"lock","subject":"outgoing_user","identity":"a"}]}"#,
        ] {
            assert_eq!(listing(bad), None);
        }
    }
}
