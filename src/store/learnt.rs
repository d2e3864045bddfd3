//! What was learnt from reports that were attributed by hand: one mapping for each key in force, and a trace of each
//! that was learnt or forgotten.

use super::body::{SqlStore, Tx, run};
use super::desk::{Forgotten, LearntRow, Lesson, NamedByHand};
use super::dialect::{Columns, Dialect, Row};
use super::orders::token;
use super::trail::{About, Trail};
use super::{StoreError, sql};
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::ReportId;
use crate::domain::learnt::{Choice, MOST_HEADERS, MOST_MAPPINGS};
use jiff::Timestamp;
use sqlx::SqlSafeStr;
use uuid::Uuid;

/// What learning came to.
pub(super) enum Outcome {
    /// The key stands for the identity now, or did before.
    Known(Uuid),
    /// It stands for another.
    Otherwise(Box<LearntRow>),
    /// There are too many.
    NoRoom,
}

fn read<D: Dialect>(row: &Row<D>) -> Result<LearntRow, StoreError> {
    let mut columns = Columns::<D>::of(row);
    let id = columns.id()?;
    let (feed, choice, key) = (columns.text()?, columns.text()?, columns.text()?);
    let value = columns.text()?;
    let user = columns.maybe_text()?.zip(columns.maybe_text()?);
    let report = ReportId(columns.id()?);
    let at = columns.time()?;
    let (by, why) = (columns.text()?, columns.text()?);
    let ended = columns.maybe_time()?;
    let (ended_by, ended_why) = (columns.maybe_text()?, columns.maybe_text()?);
    Ok(LearntRow {
        id,
        feed,
        choice,
        value: key,
        identity: Identity {
            outgoing_user: user.map(|(domain, username)| OutgoingUser { domain, username }),
            value,
        },
        report,
        at,
        by,
        why,
        forgotten: ended.map(|at| Forgotten {
            at,
            by: ended_by.unwrap_or_default(),
            why: ended_why.unwrap_or_default(),
        }),
    })
}

/// Writes a mapping, within a transaction.
pub(super) async fn learn<D: Dialect>(
    tx: &mut Tx<D>,
    trail: &mut Trail,
    lesson: &Lesson,
    by_hand: NamedByHand<'_>,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let choice = lesson.key.choice.to_string();
    let key = || {
        vec![
            lesson.feed.as_str().into(),
            choice.as_str().into(),
            lesson.key.value.as_str().into(),
        ]
    };
    let known = |row: LearntRow| match row.identity.id() == lesson.identity.id() {
        true => Outcome::Known(row.id),
        false => Outcome::Otherwise(Box::new(row)),
    };
    let rows = D::rows(tx, sql::desk::LEARNT_KEY.into_sql_str(), key()).await?;
    if let Some(row) = rows.first() {
        return Ok(known(read::<D>(row)?));
    }
    let values = vec![lesson.feed.as_str().into(), choice.as_str().into()];
    let rows = D::rows(tx, sql::desk::LEARNT_ROOM.into_sql_str(), values).await?;
    if let Some(row) = rows.first() {
        let mut columns = Columns::<D>::of(row);
        let number = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        let (all, headers) = (number(columns.int()?), number(columns.int()?));
        let header = matches!(lesson.key.choice, Choice::Header(_));
        if all >= MOST_MAPPINGS || (header && headers >= MOST_HEADERS) {
            return Ok(Outcome::NoRoom);
        }
    }
    let id = token();
    let user = lesson.identity.outgoing_user.as_ref();
    let mut values = vec![id.into()];
    values.extend(key());
    values.push(lesson.identity.value.as_str().into());
    values.push(user.map(|user| user.domain.as_str()).into());
    values.push(user.map(|user| user.username.as_str()).into());
    values.push(by_hand.filing.id.0.into());
    values.push(now.into());
    values.push(by_hand.actor.into());
    values.push(by_hand.why.into());
    if run::<D>(tx, sql::desk::INSERT_LEARNT, values).await? == 0 {
        // Somebody else was quicker.
        let rows = D::rows(tx, sql::desk::LEARNT_KEY.into_sql_str(), key()).await?;
        let row = rows.first().ok_or_else(|| {
            StoreError::Row(format!("a mapping of {} is there and is not", lesson.key))
        })?;
        return Ok(known(read::<D>(row)?));
    }
    let detail = format!(
        "{id}: {} of feed {} stands for {}; from report {}; {}",
        lesson.key, lesson.feed, lesson.identity, by_hand.filing.id, by_hand.why
    );
    let about = About::default();
    trail.add(now, by_hand.actor, "mapping.learnt", about, &detail);
    Ok(Outcome::Known(id))
}

/// The rows of a statement with a limit.
pub(super) async fn list<D: Dialect>(
    store: &SqlStore<D>,
    statement: &'static str,
    limit: u32,
) -> Result<Vec<LearntRow>, StoreError> {
    let rows = store.read(statement, vec![i64::from(limit).into()]).await?;
    rows.iter().map(read::<D>).collect()
}

/// See [`super::Desk::lessons`].
pub(super) async fn in_force<D: Dialect>(
    store: &SqlStore<D>,
) -> Result<Vec<LearntRow>, StoreError> {
    let most = u32::try_from(MOST_MAPPINGS).unwrap_or(u32::MAX);
    list(store, sql::desk::LEARNT_IN_FORCE, most).await
}

/// See [`super::Desk::learnt_version`].
pub(super) async fn version<D: Dialect>(store: &SqlStore<D>) -> Result<(u64, u64), StoreError> {
    let rows = store.read(sql::desk::LEARNT_VERSION, Vec::new()).await?;
    let Some(row) = rows.first() else {
        return Ok((0, 0));
    };
    let mut columns = Columns::<D>::of(row);
    let number = |n: i64| u64::try_from(n).unwrap_or_default();
    Ok((number(columns.int()?), number(columns.int()?)))
}

/// See [`super::Desk::forget`].
pub(super) async fn forget<D: Dialect>(
    store: &SqlStore<D>,
    id: Uuid,
    actor: &str,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let row = vec![id.into(), now.into(), actor.into(), why.into()];
    if run::<D>(&mut tx, sql::desk::FORGET, row).await? == 0 {
        return Ok(false);
    }
    let mut trail = Trail::default();
    let detail = format!("{id}: {why}");
    trail.add(now, actor, "mapping.forgotten", About::default(), &detail);
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}
