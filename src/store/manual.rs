//! Locks that a person orders, and locks that were found at a target: incidents without a crossing.

use super::StoreError;
use super::Wish;
use super::body::{SqlStore, Tx, run};
use super::dialect::{Columns, Dialect};
use super::incident::{self, Doing, Incident};
use super::life_sql as sql;
use super::trail::Trail;
use crate::domain::identity::Identity;
use crate::domain::ids::{IdentityId, IncidentId};
use crate::domain::incident::{
    AtTarget, ByPerson, Event, Facts, IncidentState, NotAllowed, Step, Why, transition,
};
use crate::domain::lock::Subject;
use jiff::Timestamp;
use sqlx::SqlSafeStr;
use std::collections::BTreeSet;

/// A lock by hand.
#[derive(Clone, Debug)]
pub struct ByHand {
    /// Whom. For an outgoing user the value is its `NAME@DOMAIN`, for a sender the sender's address.
    pub identity: Identity,
    /// What of the identity.
    pub subject: Subject,
    /// Hold or lock.
    pub step: Step,
    /// The pattern that protects it, where it is to be locked all the same.
    pub despite: Option<String>,
    /// Seconds that it lasts once it is confirmed; none: until a person ends it.
    pub timeout_seconds: Option<u64>,
    /// Who gets an order.
    pub targets: Vec<String>,
}

/// Where the row of what is meant stands: a whole outgoing user or a sender's address is not the identity of the
/// same name.
pub(super) fn row_id(identity: &Identity, subject: Subject) -> IdentityId {
    match subject {
        Subject::Identity => identity.id(),
        Subject::OutgoingUser | Subject::Sender => {
            let id = identity.id();
            IdentityId::of(&[subject.as_str().as_bytes(), id.0.as_bytes()])
        }
    }
}

/// Takes the identity's row lock, making the row where there is none; its open incident.
pub(super) async fn hold_row<D: Dialect>(
    tx: &mut Tx<D>,
    identity: &Identity,
    subject: Subject,
    now: Timestamp,
) -> Result<(IdentityId, Option<Incident>), StoreError> {
    let id = row_id(identity, subject);
    let user = identity.outgoing_user.as_ref();
    let values = vec![
        id.0.into(),
        identity.value.as_str().into(),
        user.map(|user| user.domain.as_str()).into(),
        user.map(|user| user.username.as_str()).into(),
        now.into(),
    ];
    let rows = D::rows(tx, sql::HOLD_IDENTITY.into_sql_str(), values).await?;
    let open = match rows.first() {
        Some(row) => Columns::<D>::of(row).maybe_id()?,
        None => None,
    };
    let Some(open) = open else {
        return Ok((id, None));
    };
    let rows = D::rows(tx, sql::INCIDENT.into_sql_str(), vec![open.into()]).await?;
    Ok((id, rows.first().map(incident::read::<D>).transpose()?))
}

/// An incident that begins with an event other than a crossing.
pub(super) struct Beginning<'b> {
    pub(super) id: IncidentId,
    pub(super) owner: IdentityId,
    pub(super) why: &'b Why,
    pub(super) event: Event,
    pub(super) timeout: Option<i64>,
}

impl Beginning<'_> {
    /// Writes it.
    pub(super) async fn write<D: Dialect>(
        &self,
        tx: &mut Tx<D>,
        trail: &mut Trail,
        doing: &Doing<'_>,
    ) -> Result<Result<Incident, NotAllowed>, StoreError> {
        let nothing = Facts {
            step: Step::Observe,
            in_effect: false,
            elsewhere: false,
        };
        let change = match transition(None, self.event, &nothing) {
            Ok(change) => change,
            Err(why) => return Ok(Err(why)),
        };
        let mut incident = Incident {
            id: self.id,
            owner: self.owner,
            state: change.state,
            step: change.step,
            round: 0,
            opened_at: doing.now,
            timeout: self.timeout,
            ends_at: None,
            ended_by: None,
            cool_down: 0,
        };
        let explanation =
            serde_json::to_string(self.why).map_err(|error| StoreError::Row(error.to_string()))?;
        let row = vec![
            self.id.0.into(),
            self.owner.0.into(),
            change.state.as_str().into(),
            doing.now.into(),
            explanation.into(),
            None::<&str>.into(),
            change.step.as_str().into(),
            self.timeout.into(),
            None::<i64>.into(),
        ];
        run::<D>(tx, sql::INSERT_INCIDENT, row).await?;
        let none = BTreeSet::new();
        incident
            .carry_out::<D>(tx, trail, &change, &none, doing)
            .await?;
        Ok(Ok(incident))
    }
}

/// See [`super::Incidents::order_by_hand`].
pub(super) async fn order<D: Dialect>(
    store: &SqlStore<D>,
    what: &ByHand,
    wish: &Wish<'_>,
) -> Result<Result<(IncidentId, IncidentState), NotAllowed>, StoreError> {
    let mut tx = store.begin().await?;
    let now = wish.now;
    let (owner, open) = hold_row::<D>(&mut tx, &what.identity, what.subject, now).await?;
    let event = Event::Ordered(what.step);
    let timeout = what.timeout_seconds.and_then(|s| i64::try_from(s).ok());
    let mut trail = Trail::default();
    let doing = Doing {
        targets: &what.targets,
        subject: what.subject,
        ..Doing::by(wish.actor, wish.why, now)
    };
    let incident = match open {
        Some(mut open) => {
            let met = open.meet::<D>(&mut tx, &mut trail, event, &doing).await?;
            if let Err(why) = met {
                return Ok(Err(why));
            }
            let row = vec![open.id.0.into(), timeout.into()];
            run::<D>(&mut tx, sql::SET_TIMEOUT, row).await?;
            open
        }
        None => {
            let why = Why::Person(ByPerson {
                person: wish.actor.to_owned(),
                reason: wish.why.to_owned(),
                subject: what.subject,
                step: what.step,
                despite: what.despite.clone(),
                decided_at: now,
            });
            let micros = now.as_microsecond().to_be_bytes();
            let beginning = Beginning {
                id: IncidentId::of(&[owner.0.as_bytes(), b"by hand", &micros]),
                owner,
                why: &why,
                event,
                timeout,
            };
            match beginning.write::<D>(&mut tx, &mut trail, &doing).await? {
                Ok(incident) => incident,
                Err(why) => return Ok(Err(why)),
            }
        }
    };
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(Ok((incident.id, incident.state)))
}

/// See [`super::Incidents::adopt`].
pub(super) async fn adopt<D: Dialect>(
    store: &SqlStore<D>,
    target: &str,
    identity: &Identity,
    subject: Subject,
    now: Timestamp,
) -> Result<Result<IncidentId, NotAllowed>, StoreError> {
    let mut tx = store.begin().await?;
    let (owner, open) = hold_row::<D>(&mut tx, identity, subject, now).await?;
    if open.is_some() {
        return Ok(Err(NotAllowed::InTheWay));
    }
    let why = Why::Target(AtTarget {
        found_at: target.to_owned(),
        subject,
        decided_at: now,
    });
    let micros = now.as_microsecond().to_be_bytes();
    let beginning = Beginning {
        id: IncidentId::of(&[owner.0.as_bytes(), b"found", target.as_bytes(), &micros]),
        owner,
        why: &why,
        event: Event::FoundThere,
        timeout: None,
    };
    let detail = format!("locked at {target}, and not by an order from here");
    let doing = Doing {
        subject,
        ..Doing::by(super::reconcile::RECONCILIATION, &detail, now)
    };
    let mut trail = Trail::default();
    let begun = beginning.write::<D>(&mut tx, &mut trail, &doing).await?;
    let mut incident = match begun {
        Ok(incident) => incident,
        Err(why) => return Ok(Err(why)),
    };
    incident.note_found::<D>(&mut tx, target, &doing).await?;
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(Ok(incident.id))
}
