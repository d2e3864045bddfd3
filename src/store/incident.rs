//! One incident in a transaction that holds its identity: what the machine says of it is written down here, and
//! nowhere else.

use super::StoreError;
use super::body::{Tx, run};
use super::dialect::{Columns, Dialect, Row};
use super::life_sql as sql;
use super::trail::{About, Trail};
use crate::domain::ids::{IdentityId, IncidentId};
use crate::domain::incident::{
    By, Change, Effect, Event, Facts, IncidentState, NotAllowed, Step, transition,
};
use crate::domain::lock::{Action, LockOrder, OrderState, Subject};
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The target of an order that is only recorded.
const NO_TARGET: &str = "none";

/// An incident as it stands.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) id: IncidentId,
    pub(super) owner: IdentityId,
    pub(super) state: IncidentState,
    pub(super) step: Step,
    /// The round of its newest orders; 0 before the first.
    pub(super) round: u32,
    pub(super) opened_at: Timestamp,
    /// Seconds that a hold or lock lasts.
    pub(super) timeout: Option<i64>,
    /// When it is to end by itself.
    pub(super) ends_at: Option<Timestamp>,
    /// Who ends it.
    pub(super) ended_by: Option<By>,
    /// Seconds without a lock at once after its release.
    pub(super) cool_down: i64,
}

/// Who does something to an incident, why, and what is needed besides.
#[derive(Clone, Debug)]
pub(super) struct Doing<'d> {
    /// For the audit.
    pub(super) actor: &'d str,
    /// For the audit.
    pub(super) why: &'d str,
    /// What orders give as their reason.
    pub(super) reason: &'d str,
    pub(super) now: Timestamp,
    /// Who gets new orders.
    pub(super) targets: &'d [String],
    /// What of the identity they are about.
    pub(super) subject: Subject,
    /// When they may go out, where that is later than now.
    pub(super) not_before: Option<Timestamp>,
    /// The target that the event speaks of.
    pub(super) there: Option<&'d str>,
    /// Complaints up to this instant are spent, where the window starts anew.
    pub(super) spent: Timestamp,
}

impl<'d> Doing<'d> {
    /// By somebody, now, with nothing besides.
    pub(super) fn by(actor: &'d str, why: &'d str, now: Timestamp) -> Self {
        Self {
            actor,
            why,
            reason: why,
            now,
            targets: &[],
            subject: Subject::Identity,
            not_before: None,
            there: None,
            spent: now,
        }
    }
}

fn by(name: &str) -> Option<By> {
    [By::Hand, By::Timeout, By::Target]
        .into_iter()
        .find(|by| by.as_str() == name)
}

/// Seconds after an instant.
pub(super) fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

pub(super) fn read<D: Dialect>(row: &Row<D>) -> Result<Incident, StoreError> {
    let mut columns = Columns::<D>::of(row);
    let (id, owner) = (IncidentId(columns.id()?), IdentityId(columns.id()?));
    let (state, step) = (columns.text()?, columns.text()?);
    let bad = |what: &str| StoreError::Row(format!("incident {id}: {what}"));
    Ok(Incident {
        id,
        owner,
        state: IncidentState::named(&state).ok_or_else(|| bad(&state))?,
        step: Step::ALL
            .into_iter()
            .find(|known| known.as_str() == step)
            .ok_or_else(|| bad(&step))?,
        round: u32::try_from(columns.int()?).unwrap_or(u32::MAX),
        opened_at: columns.time()?,
        timeout: columns.maybe_int()?,
        ends_at: columns.maybe_time()?,
        ended_by: columns.maybe_text()?.as_deref().and_then(by),
        cool_down: columns.int()?,
    })
}

/// Takes the identity's row lock and reads the incident. None where there is none.
pub(super) async fn hold<D: Dialect>(
    tx: &mut Tx<D>,
    incident: Uuid,
) -> Result<Option<Incident>, StoreError> {
    D::rows(tx, sql::HOLD_OWNER.into_sql_str(), vec![incident.into()]).await?;
    let rows = D::rows(tx, sql::INCIDENT.into_sql_str(), vec![incident.into()]).await?;
    rows.first().map(read::<D>).transpose()
}

impl Incident {
    /// The targets where a hold or lock of it may be in effect, and what of the identity that is.
    pub(super) async fn in_effect<D: Dialect>(
        &self,
        tx: &mut Tx<D>,
    ) -> Result<BTreeSet<(String, Subject)>, StoreError> {
        let rows = D::rows(tx, sql::IN_EFFECT.into_sql_str(), vec![self.id.0.into()]).await?;
        let one = |row: &Row<D>| {
            let mut columns = Columns::<D>::of(row);
            let (target, name) = (columns.text()?, columns.text()?);
            let subject = Subject::ALL.into_iter().find(|s| s.as_str() == name);
            let subject = subject.ok_or_else(|| StoreError::Row(format!("subject {name}")))?;
            Ok((target, subject))
        };
        rows.iter().map(one).collect()
    }

    /// Does to it what follows from an event; says what that was. The transaction holds its identity.
    pub(super) async fn meet<D: Dialect>(
        &mut self,
        tx: &mut Tx<D>,
        trail: &mut Trail,
        event: Event,
        doing: &Doing<'_>,
    ) -> Result<Result<Change, NotAllowed>, StoreError> {
        if self.state.is_over() {
            return Ok(Err(NotAllowed::Over));
        }
        let in_effect = self.in_effect::<D>(tx).await?;
        let facts = Facts {
            step: self.step,
            in_effect: !in_effect.is_empty(),
            elsewhere: in_effect
                .iter()
                .any(|(target, _)| Some(target.as_str()) != doing.there),
        };
        let change = match transition(Some(self.state), event, &facts) {
            Ok(change) => change,
            Err(why) => return Ok(Err(why)),
        };
        if let Event::Release(by) = event {
            self.ended_by = Some(by);
        } else if event == Event::UnlockedThere {
            self.ended_by = Some(By::Target);
        } else if let Event::Ordered(_) | Event::Crossed(..) = event {
            self.ended_by = None;
        }
        self.carry_out::<D>(tx, trail, &change, &in_effect, doing)
            .await?;
        Ok(Ok(change))
    }

    /// Writes down a change.
    pub(super) async fn carry_out<D: Dialect>(
        &mut self,
        tx: &mut Tx<D>,
        trail: &mut Trail,
        change: &Change,
        in_effect: &BTreeSet<(String, Subject)>,
        doing: &Doing<'_>,
    ) -> Result<(), StoreError> {
        let Some(name) = change.name else {
            return Ok(());
        };
        let now = doing.now;
        (self.state, self.step) = (change.state, change.step);
        if !matches!(self.state, IncidentState::Holding | IncidentState::Locked) {
            self.ends_at = None;
        }
        let mut open = Some(self.id.0);
        let mut counted_from = None;
        let mut cool = None;
        for effect in &change.effects {
            match effect {
                Effect::Order(action, state) => {
                    let none = [NO_TARGET.to_owned()];
                    // Whom nobody takes an order for has it refused, where people look.
                    let (targets, state) = match doing.targets {
                        [] if *state == OrderState::Observed => (&none[..], *state),
                        [] => (&none[..], OrderState::Refused),
                        targets => (targets, *state),
                    };
                    self.round += 1;
                    for target in targets {
                        let what = (*action, doing.subject);
                        self.order::<D>(tx, target, what, state, doing).await?;
                    }
                }
                Effect::OrderThere(action) => {
                    self.round += 1;
                    if let Some(target) = doing.there {
                        let what = (*action, doing.subject);
                        self.order::<D>(tx, target, what, OrderState::Pending, doing)
                            .await?;
                    }
                }
                Effect::Release => {
                    self.round += 1;
                    for (target, subject) in in_effect {
                        if Some(target.as_str()) != doing.there {
                            let what = (Action::Release, *subject);
                            self.order::<D>(tx, target, what, OrderState::Pending, doing)
                                .await?;
                        }
                    }
                }
                Effect::Cancel => {
                    let answer = format!("taken back: {}", doing.why);
                    let row = vec![self.id.0.into(), answer.into(), now.into()];
                    run::<D>(tx, sql::CANCEL_ORDERS, row).await?;
                }
                Effect::SendHeld => {
                    run::<D>(tx, sql::SEND_HELD, vec![self.id.0.into(), now.into()]).await?;
                }
                Effect::StartTimer => self.ends_at = self.timeout.map(|s| after(now, s)),
                Effect::Spend => counted_from = Some(doing.spent),
                Effect::CoolDown => {
                    let by = self.ended_by.unwrap_or(By::Hand);
                    cool = Some((after(now, self.cool_down), by));
                }
                Effect::Free => open = None,
            }
        }
        // What is only recorded never was the identity's open incident.
        let over = self.state.is_over();
        let row = vec![
            self.owner.0.into(),
            open.filter(|_| !over).into(),
            counted_from.into(),
            cool.map(|(until, _)| until).into(),
            cool.map(|(_, by)| by.as_str()).into(),
        ];
        run::<D>(tx, sql::UPDATE_IDENTITY, row).await?;
        let row = vec![
            self.id.0.into(),
            self.state.as_str().into(),
            self.step.as_str().into(),
            i64::from(self.round).into(),
            self.ends_at.into(),
            self.ended_by.map(By::as_str).into(),
            over.then_some(now).into(),
            self.cool_down.into(),
        ];
        run::<D>(tx, sql::UPDATE_INCIDENT, row).await?;
        trail.add(
            now,
            doing.actor,
            name,
            About::incident(self.id.0),
            doing.why,
        );
        Ok(())
    }

    /// Writes down that it was found at a target.
    pub(super) async fn note_found<D: Dialect>(
        &mut self,
        tx: &mut Tx<D>,
        target: &str,
        doing: &Doing<'_>,
    ) -> Result<(), StoreError> {
        self.round = 1;
        let order = vec![
            LockOrder::id_of(self.id, target, Action::Lock, self.round)
                .0
                .into(),
            self.id.0.into(),
            self.owner.0.into(),
            doing.subject.as_str().into(),
            target.into(),
            doing.reason.into(),
            doing.now.into(),
        ];
        run::<D>(tx, sql::INSERT_FOUND, order).await.map(drop)?;
        let row = vec![self.id.0.into(), i64::from(self.round).into()];
        run::<D>(tx, sql::SET_ROUND, row).await.map(drop)
    }

    async fn order<D: Dialect>(
        &self,
        tx: &mut Tx<D>,
        target: &str,
        (action, subject): (Action, Subject),
        state: OrderState,
        doing: &Doing<'_>,
    ) -> Result<(), StoreError> {
        let now = doing.now;
        let unsent = matches!(state, OrderState::Observed | OrderState::Refused);
        let settled = unsent.then_some(now);
        // A release waits for nothing.
        let due = doing.not_before.filter(|_| action != Action::Release);
        let order = vec![
            LockOrder::id_of(self.id, target, action, self.round)
                .0
                .into(),
            self.id.0.into(),
            self.owner.0.into(),
            action.as_str().into(),
            subject.as_str().into(),
            target.into(),
            state.as_str().into(),
            doing.reason.into(),
            due.unwrap_or(now).max(now).into(),
            now.into(),
            settled.into(),
            i64::from(self.round).into(),
        ];
        run::<D>(tx, sql::INSERT_ORDER, order).await.map(drop)
    }
}
