//! Caps on what counts of a feed in an hour, exact on any number of nodes: the sums stand in the database, and
//! their rows are locked after everything else of a batch, in order.

use super::StoreError;
use super::body::{Tx, insert, listed};
use super::dialect::{Columns, Dialect};
use super::sql;
use crate::domain::complaint::Complaint;
use crate::domain::feed::Caps;
use crate::domain::filing::Policy;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What is counted together: a feed, an identity or (nil) all of them, and an hour since 1970.
type Key = (String, Uuid, i64);

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

/// Takes out what is over a cap of those complaints that were just written, and gives both parts, each in order.
pub(super) async fn hold<D: Dialect>(
    tx: &mut Tx<D>,
    new: Vec<Complaint>,
    policy: &Policy,
) -> Result<(Vec<Complaint>, Vec<Complaint>), StoreError> {
    if policy.caps.is_empty() {
        return Ok((new, Vec::new()));
    }
    let by_identity = |caps: &Caps| caps.identity;
    let (new, mut over) = one_kind::<D>(tx, new, policy, by_identity, |c| c.identity.0).await?;
    let (new, more) = one_kind::<D>(tx, new, policy, |caps| caps.all, |_| Uuid::nil()).await?;
    over.extend(more);
    if !over.is_empty() {
        let complaints: Vec<Uuid> = over.iter().map(|c| c.id.0).collect();
        let reports: Vec<Uuid> = over.iter().map(|c| c.report.0).collect();
        listed::<D, _>(tx, &sql::DELETE_COMPLAINTS, &[], &complaints).await?;
        listed::<D, _>(tx, &sql::MARK_OVER_CAP, &[], &reports).await?;
    }
    Ok((new, over))
}

async fn one_kind<D: Dialect>(
    tx: &mut Tx<D>,
    new: Vec<Complaint>,
    policy: &Policy,
    cap: impl Fn(&Caps) -> Option<u32>,
    subject: impl Fn(&Complaint) -> Uuid,
) -> Result<(Vec<Complaint>, Vec<Complaint>), StoreError> {
    let capped = |c: &Complaint| {
        let cap = policy.caps.get(&c.feed).and_then(&cap)?;
        Some((cap, (c.feed.clone(), subject(c), hour(c.received_at))))
    };
    let mut wanted: BTreeMap<Key, u64> = BTreeMap::new();
    for (_, key) in new.iter().filter_map(capped) {
        *wanted.entry(key).or_default() += 1;
    }
    if wanted.is_empty() {
        return Ok((new, Vec::new()));
    }
    let wanted: Vec<(Key, u64)> = wanted.into_iter().collect();
    let rows = insert::<D, _>(tx, &sql::COUNT_HOURS, &wanted, |(key, more), values| {
        let (feed, subject, hour) = key;
        values.push(feed.as_str().into());
        values.push((*subject).into());
        values.push((*hour).into());
        values.push(i64::try_from(*more).unwrap_or(i64::MAX).into());
    })
    .await?;
    let more: HashMap<&Key, u64> = wanted.iter().map(|(key, more)| (key, *more)).collect();
    let mut before: HashMap<Key, u64> = HashMap::new();
    for row in &rows {
        let mut columns = Columns::<D>::of(row);
        let key = (columns.text()?, columns.id()?, columns.int()?);
        let now = u64::try_from(columns.int()?).unwrap_or(0);
        let more = more.get(&key).copied().unwrap_or(0);
        before.insert(key, now.saturating_sub(more));
    }
    let mut taken: HashMap<Key, u64> = HashMap::new();
    let mut over = HashSet::new();
    for complaint in &new {
        let Some((cap, key)) = capped(complaint) else {
            continue;
        };
        let before = before.get(&key).copied().unwrap_or(0);
        let taken = taken.entry(key).or_default();
        if Caps::room(Some(cap), before + *taken, 1) == 0 {
            over.insert(complaint.id);
        } else {
            *taken += 1;
        }
    }
    Ok(new.into_iter().partition(|c| !over.contains(&c.id)))
}
