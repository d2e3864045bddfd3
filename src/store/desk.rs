//! What the desk does with reports by hand: looks through them, names the sender of one that nobody was named for,
//! and lets the store learn from it.

use super::body::{SqlStore, run};
use super::crossing::Present;
use super::dialect::{Columns, Dialect};
use super::filing::{self, Held};
use super::trail::{About, Trail};
use super::{ReportRow, StoreError};
use super::{accounts, caps, closing, crossing, learnt, listing, sql};
use crate::domain::attribution::{Attribution, IdentificationMethod};
use crate::domain::complaint::Complaint;
use crate::domain::filing::{Filed, Filing, Policy};
use crate::domain::identity::Identity;
use crate::domain::ids::{IdentityId, ReportId};
use crate::domain::learnt::{Key, Mapping};
use crate::domain::standing::Standing;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqlSafeStr;
use std::collections::HashMap;
use std::fmt::Debug;
use uuid::Uuid;

/// Which reports are wanted; all that are none for any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Whether they counted, and if not, why.
    pub standing: Option<Standing>,
    /// The identity that they name or count for, in normal form.
    pub identity: Option<String>,
    /// The feed that they are proven to be from.
    pub feed: Option<String>,
    /// The earliest time of receipt.
    pub since: Option<Timestamp>,
}

/// What is to be learnt from a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The feed whose reports it is for.
    pub feed: String,
    /// What in them stands for the sender.
    pub key: Key,
    /// The sender.
    pub identity: Identity,
}

/// A report that a person names the sender of.
#[derive(Clone, Copy, Debug)]
pub struct NamedByHand<'a> {
    /// The report, judged anew with that name; its standing is `Counted`.
    pub filing: &'a Filing,
    /// Who says so.
    pub actor: &'a str,
    /// Why.
    pub why: &'a str,
    /// What is learnt besides.
    pub lesson: Option<&'a Lesson>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attributed {
    /// It is done, with the mapping that was learnt.
    Done(Filed, Option<Uuid>),
    /// The same name was given before; what was to be learnt is.
    Already(Option<Uuid>),
    /// The report does not wait for a name. Nothing was written.
    NotWaiting {
        /// Its standing.
        standing: String,
        /// Whom it names, or why nobody.
        attribution: serde_json::Value,
    },
    /// The key stands for somebody else. Nothing was written.
    OtherwiseLearnt(Box<LearntRow>),
    /// As much is learnt as may be. Nothing was written.
    NoRoom,
    /// There is no such report.
    Missing,
}

/// One row of a listing of what was learnt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LearntRow {
    /// Its identifier.
    pub id: Uuid,
    /// The feed whose reports it is for.
    pub feed: String,
    /// What of them is looked at, as in `header:x-customer`.
    pub choice: String,
    /// What is there.
    pub value: String,
    /// The sender.
    pub identity: Identity,
    /// The report that it was learnt from.
    pub report: ReportId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it was forgotten; none while it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Forgotten>,
}

/// The end of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Forgotten {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

impl LearntRow {
    /// As reports are held against it; None when this version does not know its kind.
    pub fn mapping(&self) -> Option<Mapping> {
        Some(Mapping {
            id: self.id,
            feed: self.feed.clone(),
            key: Key {
                choice: self.choice.parse().ok()?,
                value: self.value.clone(),
            },
            identity: self.identity.clone(),
            report: self.report,
            by: self.by.clone(),
        })
    }
}

/// The desk's part of the store.
#[async_trait]
pub trait Desk: Debug + Send + Sync {
    /// One report.
    async fn report(&self, id: ReportId) -> Result<Option<ReportRow>, StoreError>;

    /// The reports that fit, the newest first.
    async fn find_reports(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError>;

    /// The reports since then that nobody could be named for, the newest first.
    async fn unattributed(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError>;

    /// Names the sender of a report that nobody was named for, in one transaction: the report, its complaint, which
    /// counts at its time of receipt, what that crosses, the lesson and the trace of it all.
    async fn attribute(
        &self,
        by_hand: NamedByHand<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Attributed, StoreError>;

    /// What was learnt, the newest first, what is forgotten too.
    async fn learnt(&self, limit: u32) -> Result<Vec<LearntRow>, StoreError>;

    /// What is in force of it.
    async fn lessons(&self) -> Result<Vec<LearntRow>, StoreError>;

    /// Changes with whatever is in force.
    async fn learnt_version(&self) -> Result<(u64, u64), StoreError>;

    /// Forgets a mapping. False when there is none of that name in force.
    async fn forget(
        &self,
        id: Uuid,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The account and the contact of an identity, as last looked up.
    async fn account(
        &self,
        identity: IdentityId,
    ) -> Result<Option<(Option<String>, Option<String>)>, StoreError>;
}

#[async_trait]
impl<D: Dialect> Desk for SqlStore<D> {
    async fn report(&self, id: ReportId) -> Result<Option<ReportRow>, StoreError> {
        let rows = self.read(sql::desk::REPORT, vec![id.0.into()]).await?;
        Ok(listing::report_rows::<D>(&rows)?.pop())
    }

    async fn find_reports(
        &self,
        filter: &ReportFilter,
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError> {
        let values = vec![
            filter.since.unwrap_or(Timestamp::MIN).into(),
            filter.standing.map(Standing::as_str).into(),
            filter.feed.as_deref().into(),
            filter.identity.as_deref().map(names).into(),
            i64::from(limit).into(),
        ];
        let rows = self.read(sql::desk::FIND_REPORTS, values).await?;
        listing::report_rows::<D>(&rows)
    }

    async fn unattributed(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError> {
        let values = vec![since.into(), i64::from(limit).into()];
        let rows = self.read(sql::desk::UNATTRIBUTED, values).await?;
        listing::report_rows::<D>(&rows)
    }

    async fn attribute(
        &self,
        by_hand: NamedByHand<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Attributed, StoreError> {
        attribute(self, by_hand, policy, now).await
    }

    async fn learnt(&self, limit: u32) -> Result<Vec<LearntRow>, StoreError> {
        learnt::list(self, sql::desk::LEARNT, limit).await
    }

    async fn lessons(&self) -> Result<Vec<LearntRow>, StoreError> {
        learnt::in_force(self).await
    }

    async fn learnt_version(&self) -> Result<(u64, u64), StoreError> {
        learnt::version(self).await
    }

    async fn forget(
        &self,
        id: Uuid,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        learnt::forget(self, id, actor, why, now).await
    }

    async fn account(
        &self,
        identity: IdentityId,
    ) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
        accounts::account(self, identity).await
    }
}

/// A pattern for `like` that finds an identity in the JSON of an attribution: its quotes cannot be written into a
/// value, where they are escaped.
fn names(identity: &str) -> String {
    let value = serde_json::to_string(identity).unwrap_or_default();
    let mut pattern = String::from("%\"value\":");
    for c in value.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

async fn attribute<D: Dialect>(
    store: &SqlStore<D>,
    by_hand: NamedByHand<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Attributed, StoreError> {
    let NamedByHand { filing, .. } = by_hand;
    let one = [filing];
    let mut tx = store.begin().await?;
    // Identities first, as everywhere.
    let mut held: HashMap<IdentityId, Held> = filing::hold_identities::<D>(&mut tx, &one).await?;
    let mut trail = Trail::default();
    closing::expire::<D>(&mut tx, &mut trail, &mut held, policy).await?;
    let attribution = serde_json::to_string(&filing.attribution)
        .map_err(|error| StoreError::Row(error.to_string()))?;
    let row = vec![
        filing.id.0.into(),
        filing.attribution.identity().map(|i| i.id().0).into(),
        attribution.as_str().into(),
        accounts::text(filing)?.into(),
        filing.standing.as_str().into(),
    ];
    let waited = run::<D>(&mut tx, sql::desk::ATTRIBUTE_REPORT, row).await? > 0;
    if !waited {
        let row = vec![filing.id.0.into()];
        let rows = D::rows(&mut tx, sql::desk::HOLD_REPORT.into_sql_str(), row).await?;
        let Some(row) = rows.first() else {
            return Ok(Attributed::Missing);
        };
        let mut columns = Columns::<D>::of(row);
        let (standing, attribution) = (columns.text()?, columns.json()?);
        if !is_said(&attribution, filing) {
            return Ok(Attributed::NotWaiting {
                standing,
                attribution,
            });
        }
        // Nothing more of it than the lesson: the identities' rows are left as they were.
        tx.rollback().await?;
        tx = store.begin().await?;
        trail = Trail::default();
    }
    let learnt = match by_hand.lesson {
        None => None,
        Some(lesson) => {
            match learnt::learn::<D>(&mut tx, &mut trail, lesson, by_hand, now).await? {
                learnt::Outcome::Known(id) => Some(id),
                learnt::Outcome::Otherwise(row) => return Ok(Attributed::OtherwiseLearnt(row)),
                learnt::Outcome::NoRoom => return Ok(Attributed::NoRoom),
            }
        }
    };
    if !waited {
        trail.write::<D>(&mut tx).await?;
        tx.commit().await?;
        return Ok(Attributed::Already(learnt));
    }
    accounts::remember::<D>(&mut tx, &one).await?;
    let new = filing::insert_complaints::<D>(&mut tx, &one).await?;
    let (counted, over) = caps::hold::<D>(&mut tx, new, policy).await?;
    let mut present = Present {
        held,
        trail,
        decided_at: Some(now),
    };
    let (mut opened, windows) =
        crossing::assess(store, &mut tx, &counted, &mut present, policy).await?;
    let Present { mut trail, .. } = present;
    let who = filing.attribution.identity().map(ToString::to_string);
    let detail = format!(
        "report {}: {}; {}",
        filing.id,
        who.unwrap_or_default(),
        by_hand.why
    );
    let about = About::default();
    trail.add(now, by_hand.actor, "report.attributed", about, &detail);
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    store.windows.put(windows);
    let is = |all: &[Complaint]| all.iter().any(|c| c.report == filing.id);
    let standing = match (is(&over), is(&counted)) {
        (true, _) => Standing::OverCap,
        (false, true) => Standing::Counted,
        (false, false) => Standing::Duplicate,
    };
    let filed = Filed {
        id: filing.id,
        standing,
        repeated: false,
        opened: opened.remove(&filing.id),
    };
    Ok(Attributed::Done(filed, learnt))
}

/// Whether a person has named this very identity already.
fn is_said(attribution: &serde_json::Value, filing: &Filing) -> bool {
    match serde_json::from_value::<Attribution>(attribution.clone()) {
        Ok(Attribution::Identified {
            identity, method, ..
        }) => {
            method == IdentificationMethod::ByHand
                && filing.attribution.identity().map(Identity::id) == Some(identity.id())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_an_identity() {
        assert_eq!(names("a_b@c"), "%\"value\":\"a\\_b@c\"%");
        assert_eq!(names("a\"%"), "%\"value\":\"a\\\\\"\\%\"%");
    }
}
