//! From new complaints to incidents: the windows of their identities are gathered (from memory or from the
//! database), each complaint is assessed at its own instant, and a crossing is written down with its orders.

use super::StoreError;
use super::body::{SqlStore, Tx};
use super::dialect::{Columns, Dialect};
use super::filing::Held;
use super::opening::{Crossed, News};
use super::sql;
use super::trail::Trail;
use super::window::Window;
use crate::domain::complaint::Complaint;
use crate::domain::course::rules_above;
use crate::domain::feed::Right;
use crate::domain::feedback::FeedbackType;
use crate::domain::filing::{Opened, Policy};
use crate::domain::ids::{ComplainantKey, ComplaintId, IdentityId, MessageKey, ReportId};
use crate::domain::incident::IncidentState;
use crate::domain::restraint;
use crate::domain::strength::Strength;
use crate::domain::threshold::{About, MOST_COMPLAINTS, Rule, longest_window_start};
use jiff::Timestamp;
use sqlx::SqlSafeStr;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What a batch's complaints opened, by the report that did it, and the windows as they are once the
/// transaction is committed.
pub(super) type Assessed = (HashMap<ReportId, Opened>, HashMap<IdentityId, Window>);

/// What a transaction holds and has done.
#[derive(Debug)]
pub(super) struct Present<'b> {
    /// The identities, and where they stand.
    pub(super) held: HashMap<IdentityId, Held<'b>>,
    /// For the audit.
    pub(super) trail: Trail,
    /// The present, where that is not when the complaints were received.
    pub(super) decided_at: Option<Timestamp>,
}

/// The rules that an identity is held against: all, or those above the step that its open incident is at.
fn rules_for<'p>(row: &Held<'_>, policy: &'p Policy) -> Cow<'p, [Rule]> {
    match &row.incident {
        None if row.open.is_some() => Cow::Borrowed(&[]),
        None => Cow::Borrowed(&policy.rules),
        // What is complained of meanwhile is mail from before its release.
        Some(open) if open.state == IncidentState::Releasing => Cow::Borrowed(&[]),
        Some(open) => rules_above(&policy.rules, open.step),
    }
}

/// Assesses the new complaints, which are written already, in their order.
pub(super) async fn assess<D: Dialect>(
    store: &SqlStore<D>,
    tx: &mut Tx<D>,
    counted: &[Complaint],
    present: &mut Present<'_>,
    policy: &Policy,
) -> Result<Assessed, StoreError> {
    let mut opened = HashMap::new();
    if policy.rules.is_empty() {
        return Ok((opened, HashMap::new()));
    }
    let mut windows = gather(store, tx, counted, &present.held, policy).await?;
    for complaint in counted {
        let Some(window) = windows.get_mut(&complaint.identity) else {
            continue;
        };
        if !window.push(complaint.clone()) {
            continue;
        }
        let Some(row) = present.held.get_mut(&complaint.identity) else {
            continue;
        };
        let at = complaint.received_at;
        // Again until there is nothing more to tell: each turn adds to what was told, or is the last.
        loop {
            let judged = restraint::assess(
                &rules_for(row, policy),
                &window.complaints,
                at,
                &About::new(row.identity),
                &policy.restraints,
                &window.told,
                present.decided_at.unwrap_or(at),
            );
            let Some(judged) = judged else {
                break;
            };
            let until = judged.crossing.until;
            let crossed = Crossed {
                judged,
                complaint,
                // Decided when it is seen; that may be long after the window for a report that was proven late.
                now: present.decided_at.unwrap_or(until),
            };
            let trail = &mut present.trail;
            match crossed.write::<D>(tx, trail, row, policy).await? {
                News::Told { at, opened: news } => {
                    window.told.note(&crossed.judged, at);
                    if let Some(news) = news {
                        opened.entry(complaint.report).or_insert(news);
                    }
                }
                News::Opened {
                    opened: news,
                    spent,
                } => {
                    opened.insert(complaint.report, news);
                    if spent {
                        window.spend(until);
                    }
                    break;
                }
                News::Nothing => break,
            }
        }
        if rules_for(row, policy).is_empty() {
            windows.remove(&complaint.identity);
        }
    }
    Ok((opened, windows))
}

/// The windows of all identities that have new complaints and may cross a rule, without the new ones.
async fn gather<D: Dialect>(
    store: &SqlStore<D>,
    tx: &mut Tx<D>,
    counted: &[Complaint],
    held: &HashMap<IdentityId, Held<'_>>,
    policy: &Policy,
) -> Result<HashMap<IdentityId, Window>, StoreError> {
    let mut starts: HashMap<IdentityId, Timestamp> = HashMap::new();
    for complaint in counted {
        let start = longest_window_start(&policy.rules, complaint.received_at);
        let known = starts.entry(complaint.identity).or_insert(start);
        *known = start.min(*known);
    }
    let mut windows = HashMap::with_capacity(starts.len());
    let new: HashSet<ComplaintId> = counted.iter().map(|c| c.id).collect();
    for (id, start) in starts {
        let may = |row: &&Held<'_>| !rules_for(row, policy).is_empty();
        let Some(row) = held.get(&id).filter(may) else {
            continue;
        };
        let spent = row.counted_from.unwrap_or(Timestamp::MIN);
        let window = match store.windows.take(id, row.version - 1, start) {
            Some(mut window) => {
                window.version = row.version;
                window.spend(spent);
                window.trim(start);
                window
            }
            None => {
                let mut window = Window::new(row.version, start, spent);
                // A row as new as this batch has nothing before it.
                if row.version > 1 {
                    load::<D>(tx, id, &mut window, &new).await?;
                }
                window
            }
        };
        windows.insert(id, window);
    }
    Ok(windows)
}

/// Reads an identity's complaints into its window, without those of this batch.
async fn load<D: Dialect>(
    tx: &mut Tx<D>,
    id: IdentityId,
    window: &mut Window,
    new: &HashSet<ComplaintId>,
) -> Result<(), StoreError> {
    let most = i64::try_from(MOST_COMPLAINTS + new.len()).unwrap_or(i64::MAX);
    let values = vec![id.0.into(), window.from.into(), most.into()];
    let rows = D::rows(tx, sql::SELECT_WINDOW.into_sql_str(), values).await?;
    for row in rows.iter().rev() {
        let complaint = read_complaint::<D>(row)?;
        if !new.contains(&complaint.id) {
            window.push(complaint);
        }
    }
    Ok(())
}

fn right(name: &str) -> Result<Right, StoreError> {
    let found = Right::ALL.into_iter().find(|right| right.as_str() == name);
    found.ok_or_else(|| StoreError::Row(format!("right {name}")))
}

fn strength(name: &str) -> Result<Strength, StoreError> {
    let found = Strength::ALL.into_iter().find(|s| s.as_str() == name);
    found.ok_or_else(|| StoreError::Row(format!("strength {name}")))
}

pub(super) fn read_complaint<D: Dialect>(
    row: &super::dialect::Row<D>,
) -> Result<Complaint, StoreError> {
    let mut columns = Columns::<D>::of(row);
    Ok(Complaint {
        id: ComplaintId(columns.id()?),
        report: ReportId(columns.id()?),
        identity: IdentityId(columns.id()?),
        feed: columns.text()?,
        feedback_type: FeedbackType::from(columns.text()?),
        message: MessageKey(columns.id()?),
        complainant: ComplainantKey(columns.id()?),
        weight: u32::try_from(columns.int()?).unwrap_or(u32::MAX),
        may: right(&columns.text()?)?,
        strength: strength(&columns.text()?)?,
        class: columns.maybe_text()?,
        received_at: columns.time()?,
    })
}
