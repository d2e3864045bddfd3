//! From new complaints to incidents: the windows of their identities are gathered (from memory or from the
//! database), each complaint is assessed at its own instant, and a crossing is written down with its orders.

use super::StoreError;
use super::body::{SqlStore, Tx, insert, run};
use super::dialect::{Columns, Dialect};
use super::filing::Held;
use super::sql;
use super::switch;
use super::window::Window;
use crate::domain::complaint::Complaint;
use crate::domain::feed::Right;
use crate::domain::feedback::FeedbackType;
use crate::domain::filing::{Opened, Policy};
use crate::domain::ids::{ComplainantKey, ComplaintId, IdentityId, MessageKey, ReportId};
use crate::domain::incident::{Explanation, IncidentState};
use crate::domain::lock::{Action, LockOrder, OrderState, Subject};
use crate::domain::restraint::{self, Restraint, Restraints};
use crate::domain::strength::Strength;
use crate::domain::threshold::{About, MOST_COMPLAINTS, Rule, Step, longest_window_start};
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The target of an order that is only recorded.
const NO_TARGET: &str = "none";

/// What a batch's complaints opened, by the report that did it, and the windows as they are once the
/// transaction is committed.
pub(super) type Assessed = (HashMap<ReportId, Opened>, HashMap<IdentityId, Window>);

/// Assesses the new complaints, which are written already, in their order. `decided_at`: the present, where that
/// is not when they were received.
pub(super) async fn assess<D: Dialect>(
    store: &SqlStore<D>,
    tx: &mut Tx<D>,
    counted: &[Complaint],
    held: &HashMap<IdentityId, Held<'_>>,
    policy: &Policy,
    decided_at: Option<Timestamp>,
) -> Result<Assessed, StoreError> {
    let mut opened = HashMap::new();
    if policy.rules.is_empty() {
        return Ok((opened, HashMap::new()));
    }
    let mut windows = gather(store, tx, counted, held, policy).await?;
    for complaint in counted {
        let Some(window) = windows.get_mut(&complaint.identity) else {
            continue;
        };
        if !window.push(complaint.clone()) {
            continue;
        }
        let Some(row) = held.get(&complaint.identity) else {
            continue;
        };
        let (restraints, at) = (&policy.restraints, complaint.received_at);
        let about = About::new(row.identity);
        // Again until there is nothing more to tell: each turn adds to what was told.
        let locked = loop {
            let judged = restraint::assess(
                &policy.rules,
                &window.complaints,
                at,
                &about,
                restraints,
                &window.told,
                decided_at.unwrap_or(at),
            );
            let Some(mut judged) = judged else {
                break false;
            };
            let until = judged.crossing.until;
            // Decided when it is seen; that may be long after the window for a report that was proven late.
            let now = decided_at.unwrap_or(until);
            if judged.only_told() {
                // The window stays as it is, for the other rules.
                let rule = &judged.crossing.rule;
                let told = recorded::<D>(tx, complaint.identity, rule, now).await?;
                window.told.note(&judged, told.unwrap_or(now));
                if told.is_none() {
                    let why = Explanation::by_rule(judged, complaint.report, now);
                    let news = open::<D>(tx, complaint.identity, why, policy).await?;
                    opened.entry(complaint.report).or_insert(news);
                }
                continue;
            }
            if judged.restraint.is_none() && !policy.targets.is_empty() {
                judged.restraint = hold_back::<D>(tx, restraints, now).await?;
            }
            let why = Explanation::by_rule(judged, complaint.report, now);
            let state = state(&why, policy);
            let news = open::<D>(tx, complaint.identity, why, policy).await?;
            opened.insert(complaint.report, news);
            if state != IncidentState::Observed {
                break true;
            }
            window.spend(until);
            break false;
        };
        if locked {
            windows.remove(&complaint.identity);
        }
    }
    Ok((opened, windows))
}

/// The windows of all identities that have new complaints and no open incident, without the new ones.
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
        let Some(row) = held.get(&id).filter(|row| row.open.is_none()) else {
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

/// When a rule's crossing by this identity was last recorded, if it was within the rule's window.
async fn recorded<D: Dialect>(
    tx: &mut Tx<D>,
    identity: IdentityId,
    rule: &Rule,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let start = rule.window_start(now);
    let values = vec![identity.0.into(), rule.name.as_str().into(), start.into()];
    let rows = D::rows(tx, sql::RECORDED.into_sql_str(), values).await?;
    let last = rows.first().map(|row| Columns::<D>::of(row).time());
    last.transpose()
}

/// What holds a lock back, seen with all that was ordered before.
async fn hold_back<D: Dialect>(
    tx: &mut Tx<D>,
    restraints: &Restraints,
    now: Timestamp,
) -> Result<Option<Restraint>, StoreError> {
    let switch = switch::hold::<D>(tx).await?;
    let budget = restraints.max_locks_per_hour;
    let mut locks = 0;
    if budget.is_some() && !switch.paused {
        let hour = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
        let rows = D::rows(tx, sql::COUNT_LOCKS.into_sql_str(), vec![hour.into()]).await?;
        if let Some(row) = rows.first() {
            locks = u64::try_from(Columns::<D>::of(row).int()?).unwrap_or_default();
        }
    }
    Ok(restraint::hold_back(&switch, locks, budget))
}

/// The state that an incident begins in.
fn state(why: &Explanation, policy: &Policy) -> IncidentState {
    match &why.restraint {
        _ if policy.targets.is_empty() => IncidentState::Observed,
        _ if why.crossing.rule.action != Step::Lock => IncidentState::Observed,
        None => IncidentState::Open,
        Some(restraint) if restraint.holds() => IncidentState::Held,
        Some(_) => IncidentState::Observed,
    }
}

/// Writes an incident with its evidence, its orders and its trace. What is only observed is closed from the
/// start, and the identity's window starts anew, but for what is on trial.
async fn open<D: Dialect>(
    tx: &mut Tx<D>,
    identity: IdentityId,
    why: Explanation,
    policy: &Policy,
) -> Result<Opened, StoreError> {
    let incident = why.incident_id(identity);
    let at = why.decided_at;
    let state = state(&why, policy);
    let (order_state, action) = match state {
        IncidentState::Open => (OrderState::Pending, "incident.opened"),
        IncidentState::Held => (OrderState::Held, "incident.held"),
        _ => (OrderState::Observed, "incident.observed"),
    };
    let explanation =
        serde_json::to_string(&why).map_err(|error| StoreError::Row(error.to_string()))?;
    let incident_row = vec![
        incident.0.into(),
        identity.0.into(),
        state.as_str().into(),
        at.into(),
        explanation.into(),
        why.crossing.rule.name.as_str().into(),
    ];
    run::<D>(tx, sql::INSERT_INCIDENT, incident_row).await?;
    let evidence: Vec<(i64, ReportId)> = (0..).zip(why.crossing.tally.evidence.clone()).collect();
    insert::<D, _>(
        tx,
        &sql::INSERT_INCIDENT_EVIDENCE,
        &evidence,
        |(position, report), values| {
            values.push(incident.0.into());
            values.push((*position).into());
            values.push(report.0.into());
        },
    )
    .await?;
    let reason = why.sentence();
    let mut targets: Vec<&str> = policy.targets.iter().map(String::as_str).collect();
    match why.crossing.rule.action {
        Step::Lock if targets.is_empty() => targets.push(NO_TARGET),
        Step::Lock => {}
        // Nothing is asked of anybody.
        _ => targets.clear(),
    }
    let settled = (order_state == OrderState::Observed).then_some(at);
    for target in targets {
        let order = vec![
            LockOrder::id_of(incident, target).0.into(),
            incident.0.into(),
            identity.0.into(),
            Action::Lock.as_str().into(),
            Subject::Identity.as_str().into(),
            target.into(),
            order_state.as_str().into(),
            reason.as_str().into(),
            at.into(),
            settled.into(),
        ];
        run::<D>(tx, sql::INSERT_ORDER, order).await?;
    }
    let mut detail = reason;
    if let Some(restraint) = &why.restraint {
        detail = format!("{detail}; {}", restraint.sentence());
    } else if why.crossing.rule.action != Step::Lock {
        let action = why.crossing.rule.action.as_str();
        detail = format!("{detail}; recorded only: the rule's action is {action}");
    }
    let audit = vec![
        at.into(),
        why.decided_by.as_str().into(),
        action.into(),
        incident.0.into(),
        None::<Uuid>.into(),
        detail.as_str().into(),
    ];
    run::<D>(tx, sql::INSERT_AUDIT, audit).await?;
    if state != IncidentState::Observed {
        let row = vec![identity.0.into(), incident.0.into()];
        run::<D>(tx, sql::SET_OPEN_INCIDENT, row).await?;
    } else if why.restraint != Some(Restraint::Trial) && why.crossing.rule.action == Step::Lock {
        let row = vec![identity.0.into(), why.crossing.until.into()];
        run::<D>(tx, sql::SET_COUNTED_FROM, row).await?;
    }
    Ok(Opened {
        incident,
        ordered: state == IncidentState::Open,
        action: why.crossing.rule.action,
        rule: why.crossing.rule.name,
        restraint: why.restraint,
    })
}
