//! What the store knows of one target, for comparing it with what the target says; and what is done about the
//! difference.

use super::StoreError;
use super::body::SqlStore;
use super::dialect::{Columns, Dialect, Row};
use super::incident::{self, Doing};
use super::life_sql as sql;
use super::trail::Trail;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::IncidentId;
use crate::domain::incident::{Event, IncidentState, NotAllowed};
use crate::domain::lock::{Action, Subject};
use crate::domain::reconcile::Known;
use jiff::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Whom the audit names.
pub(super) const RECONCILIATION: &str = "reconciliation";

/// See [`super::Incidents::known_at`].
pub(super) async fn known<D: Dialect>(
    store: &SqlStore<D>,
    target: &str,
    over_since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Known>, StoreError> {
    let values = vec![target.into(), now.into(), over_since.into()];
    let rows = store.read(sql::KNOWN_AT, values).await?;
    // Of each identity what was ordered last.
    let mut newest: BTreeMap<(Uuid, Subject), Known> = BTreeMap::new();
    for row in &rows {
        let (owner, known) = read::<D>(row)?;
        let key = (owner, known.subject);
        let newer = newest.get(&key).is_none_or(|other| {
            (other.changed_at, other.incident) < (known.changed_at, known.incident)
        });
        if newer {
            newest.insert(key, known);
        }
    }
    Ok(newest.into_values().collect())
}

fn read<D: Dialect>(row: &Row<D>) -> Result<(Uuid, Known), StoreError> {
    let mut columns = Columns::<D>::of(row);
    let owner = columns.id()?;
    let incident = IncidentId(columns.id()?);
    let (state, value) = (columns.text()?, columns.text()?);
    let user = columns.maybe_text()?.zip(columns.maybe_text()?);
    let subject = columns.text()?;
    let bad = |what: &str| StoreError::Row(format!("incident {incident}: {what}"));
    let busy = columns.int()? > 0;
    let changed_at = columns.time()?;
    let (ordered, tried, released) = (columns.int()?, columns.int()?, columns.int()?);
    let locked = columns.int()?;
    let known = Known {
        incident,
        state: IncidentState::named(&state).ok_or_else(|| bad(&state))?,
        identity: Identity {
            outgoing_user: user.map(|(domain, username)| OutgoingUser { domain, username }),
            value,
        },
        subject: Subject::ALL
            .into_iter()
            .find(|known| known.as_str() == subject)
            .ok_or_else(|| bad(&subject))?,
        action: match locked > released {
            true => Action::Lock,
            false => Action::Hold,
        },
        in_effect: ordered > released,
        maybe: tried > released,
        busy,
        changed_at,
    };
    Ok((owner, known))
}

/// See [`super::Incidents::recent_domains`].
pub(super) async fn recent_domains<D: Dialect>(
    store: &SqlStore<D>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let values = vec![since.into(), i64::from(limit).into()];
    let rows = store.read(sql::RECENT_DOMAINS, values).await?;
    rows.iter()
        .map(|row| Columns::<D>::of(row).text())
        .collect()
}

/// A difference at a target, and what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Somebody unlocked it there: it is released, with this cool-down in seconds.
    Unlocked(u64),
    /// The target lost it: it is ordered anew.
    Repair,
}

/// See [`super::Incidents::settle_drift`].
pub(super) async fn settle<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    target: &str,
    drift: Drift,
    doing: &Doing<'_>,
) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
    let mut tx = store.begin().await?;
    let Some(mut incident) = incident::hold::<D>(&mut tx, incident.0).await? else {
        return Ok(Err(NotAllowed::NoIncident));
    };
    let event = match drift {
        Drift::Unlocked(cool_down) => {
            incident.cool_down = i64::try_from(cool_down).unwrap_or(i64::MAX);
            Event::UnlockedThere
        }
        Drift::Repair => Event::LostThere,
    };
    let in_effect = incident.in_effect::<D>(&mut tx).await?;
    let subject = in_effect.iter().find(|(name, _)| name == target);
    let doing = Doing {
        there: Some(target),
        subject: subject.map_or(Subject::Identity, |(_, subject)| *subject),
        ..doing.clone()
    };
    let mut trail = Trail::default();
    let met = incident
        .meet::<D>(&mut tx, &mut trail, event, &doing)
        .await?;
    let change = match met {
        Ok(change) => change,
        Err(why) => return Ok(Err(why)),
    };
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(Ok(change.state))
}
