//! Lock orders: what the outbox carries to a target, how long it waits between tries, and when it stops
//! asking a target that is down.

use super::identity::Identity;
use super::ids::{IncidentId, OrderId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Name of the filter as a target.
pub const SPAMEXPERTS: &str = "spamexperts";

/// What an order asks of its target.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Keep the mail back, so that it can still go out: what is softer than a lock.
    Hold,
    /// Refuse the mail.
    #[default]
    Lock,
    /// End a hold or a lock.
    Release,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Lock, Self::Release];

    /// The stable name, as in the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Lock => "lock",
            Self::Release => "release",
        }
    }
}

/// What an order is about.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One identity of an outgoing user.
    #[default]
    Identity,
    /// The whole outgoing user, by hand only.
    OutgoingUser,
    /// A sender address, whoever uses it, by hand only: the identity's value.
    Sender,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Identity, Self::OutgoingUser, Self::Sender];

    /// The stable name, as in the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::OutgoingUser => "outgoing_user",
            Self::Sender => "sender",
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// To be sent, now or later; a claimed order is pending too, under a lease.
    Pending,
    /// Confirmed by the target.
    Done,
    /// The target will not take it, or it cannot be sent; the desk must look.
    Refused,
    /// Recorded only: locks are switched off.
    Observed,
    /// Waits for a person to approve it.
    Held,
    /// Taken back before it was carried out: its incident ended, or a stronger order took its place.
    Cancelled,
}

impl OrderState {
    /// All of them, for metrics that start at zero.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Done,
        Self::Refused,
        Self::Observed,
        Self::Held,
        Self::Cancelled,
    ];

    /// The stable name, as in the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Observed => "observed",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An order to lock or release somebody at one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOrder {
    /// Its identifier, and the idempotency key that travels with it.
    pub id: OrderId,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// What is asked.
    #[serde(default)]
    pub action: Action,
    /// What of the identity it is about.
    #[serde(default)]
    pub subject: Subject,
    /// Whom it is about.
    pub identity: Identity,
    /// The target's configured name.
    pub target: String,
    /// Why, in one line.
    pub reason: String,
    /// When it was written.
    pub ordered_at: Timestamp,
    /// How many tries were begun, the current one included.
    pub attempts: u32,
}

impl LockOrder {
    /// The identifier of the order for an incident at a target. An incident may order more than once (hold, then
    /// lock, then release): each time is a round, counted from 1.
    pub fn id_of(incident: IncidentId, target: &str, action: Action, round: u32) -> OrderId {
        OrderId::of(&[
            incident.0.as_bytes(),
            target.as_bytes(),
            action.as_str().as_bytes(),
            &round.to_be_bytes(),
        ])
    }
}

/// What one try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target confirmed that it is as ordered.
    Done {
        /// What it answered, shortened, without secrets.
        answer: String,
    },
    /// It may work later.
    Later {
        /// What went wrong.
        why: String,
    },
    /// The target asks to be left alone for a while.
    Busy {
        /// What it said.
        why: String,
        /// For how long, from now.
        after: Duration,
    },
    /// It will not work without a person.
    Refused {
        /// Why.
        why: String,
    },
}

/// Exponential back-off between tries, with jitter so that orders that failed together do not return
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failed try.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Backoff {
    /// The wait after `attempts` failed tries. `jitter` in 0..1 spreads it between half and all of the step.
    pub fn wait(&self, attempts: u32, jitter: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(32);
        let step = self
            .first
            .saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(self.most);
        step.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    /// The instant of the next try.
    pub fn next(&self, attempts: u32, jitter: f64, now: Timestamp) -> Timestamp {
        let wait =
            SignedDuration::try_from(self.wait(attempts, jitter)).unwrap_or(SignedDuration::MAX);
        now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }
}

/// Stops asking a target after several failures in a row, then lets one try through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub limit: u32,
    /// How long it stays open.
    pub pause: Duration,
    failures: u32,
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(limit: u32, pause: Duration) -> Self {
        Self {
            limit: limit.max(1),
            pause,
            failures: 0,
            open_until: None,
        }
    }

    /// The instant before which the target is not to be asked, if it is not to be asked now.
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.open_until.filter(|until| *until > now)
    }

    /// Notes that the target answered as it should.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.open_until = None;
    }

    /// Notes a failure; true when this one opened the breaker. After the pause one more failure opens it
    /// again at once.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.limit {
            return false;
        }
        let pause = SignedDuration::try_from(self.pause).unwrap_or(SignedDuration::MAX);
        self.open_until = Some(now.checked_add(pause).unwrap_or(Timestamp::MAX));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        let b = Backoff {
            first: Duration::from_secs(2),
            most: Duration::from_secs(60),
        };
        let waits: Vec<u64> = (1..=8).map(|n| b.wait(n, 1.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(b.wait(1, 0.0), Duration::from_secs(1));
        assert_eq!(b.wait(u32::MAX, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn breaker_opens_and_lets_one_through() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut b = Breaker::new(2, Duration::from_secs(10));
        assert!(!b.failed(at(0)));
        assert_eq!(b.blocked_until(at(0)), None);
        assert!(b.failed(at(1)));
        assert_eq!(b.blocked_until(at(5)), Some(at(11)));
        assert_eq!(b.blocked_until(at(11)), None);
        assert!(
            b.failed(at(11)),
            "one failure after the pause opens it again"
        );
        b.succeeded();
        assert_eq!(b.blocked_until(at(12)), None);
        assert!(!b.failed(at(12)));
    }
}
