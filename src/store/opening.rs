//! A crossing on its way into the store: what holds it back is asked, then it opens an incident with its evidence
//! and orders, or raises the open one to a stronger step.

use super::StoreError;
use super::body::{Tx, insert, run};
use super::dialect::{Columns, Dialect};
use super::filing::Held;
use super::incident::{Doing, Incident};
use super::life_sql;
use super::sql;
use super::switch;
use super::trail::Trail;
use crate::domain::complaint::Complaint;
use crate::domain::filing::{Opened, Policy};
use crate::domain::identity::Identity;
use crate::domain::ids::{IdentityId, IncidentId, ReportId};
use crate::domain::incident::{
    By, Change, Effect, Escalation, Event, Explanation, Facts, IncidentState, Step, Terms, Way,
    transition,
};
use crate::domain::lock::{Action, Subject};
use crate::domain::restraint::{self, Judged, Restraint, Restraints};
use crate::domain::threshold::Rule;
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use std::collections::{BTreeSet, HashSet};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// What is said of an identity whose order no target takes.
const UNROUTED: &str = "; no target takes it";

/// A crossing, on its way into the store.
pub(super) struct Crossed<'c> {
    pub(super) judged: Judged,
    pub(super) complaint: &'c Complaint,
    /// When it is decided.
    pub(super) now: Timestamp,
}

/// What a crossing came to.
pub(super) enum News {
    /// It is only told, once in its window, and the window goes on.
    Told {
        /// When it was.
        at: Timestamp,
        /// The incident, if that was now.
        opened: Option<Opened>,
    },
    /// It opened an incident, or raised the open one.
    Opened {
        /// The incident.
        opened: Opened,
        /// Whether the window starts anew with it.
        spent: bool,
    },
    /// Nothing, for now.
    Nothing,
}

impl Crossed<'_> {
    /// Opens an incident or raises the open one, if the crossing does either.
    pub(super) async fn write<D: Dialect>(
        &self,
        tx: &mut Tx<D>,
        trail: &mut Trail,
        row: &mut Held<'_>,
        policy: &Policy,
    ) -> Result<News, StoreError> {
        let (rule, step) = (&self.judged.crossing.rule, self.judged.crossing.rule.action);
        let mut judged = self.judged.clone();
        let mut not_before = None;
        if judged.restraint.is_none() && step.orders() && !policy.targets.is_empty() {
            let cool = row.cool.as_ref().filter(|(until, _)| *until > self.now);
            judged.restraint = match cool {
                // After its time was up the next lock only waits; after somebody's release it is for a person.
                Some((until, by)) if by == By::Timeout.as_str() => {
                    not_before = Some(*until);
                    hold_back::<D>(tx, &policy.restraints, self.now).await?
                }
                Some((until, by)) => Some(Restraint::CoolDown {
                    until: *until,
                    released_by: by.clone(),
                }),
                None => hold_back::<D>(tx, &policy.restraints, self.now).await?,
            };
        }
        let way = judged.way(!policy.targets.is_empty());
        let told = judged.only_told(way);
        if told && let Some(at) = recorded::<D>(tx, self.complaint.identity, rule, self.now).await?
        {
            return Ok(News::Told { at, opened: None });
        }
        let restraint = judged.restraint.clone();
        let mut why = Explanation::by_rule(judged, self.complaint.report, self.now);
        let (mut reason, detail) = sayings(&why);
        let actor = why.decided_by.clone();
        let targets = routed(policy, step, row.identity);
        let unrouted = targets.is_empty() && step.orders() && matches!(way, Way::Free | Way::Held);
        if unrouted {
            reason.push_str(UNROUTED);
        }
        let doing = Doing {
            targets: &targets,
            not_before,
            reason: &reason,
            spent: self.judged.crossing.until,
            ..Doing::by(&actor, &detail, self.now)
        };
        // What would be sent nowhere is not held for a person to let go out.
        let way = if unrouted { Way::Free } else { way };
        let event = Event::Crossed(step, way);
        if step.orders() {
            why.terms = terms::<D>(tx, self.complaint.identity, policy, rule, self.now).await?;
        }
        let (mut incident, mut change) = match &mut row.incident {
            Some(open) => {
                let met = open.meet::<D>(tx, trail, event, &doing).await?;
                let Some(change) = met.ok().filter(Change::is_any) else {
                    return Ok(News::Nothing);
                };
                open.timeout = why.terms.and_then(timeout);
                escalate::<D>(tx, open, why).await?;
                (open.clone(), change)
            }
            None => {
                let Ok(change) = transition(None, event, &NOTHING) else {
                    return Ok(News::Nothing);
                };
                let owner = self.complaint.identity;
                let incident = begin::<D>(tx, trail, owner, &why, &change, &doing).await?;
                (incident, change)
            }
        };
        if unrouted {
            // At once, for there is nobody who would say so later.
            let doing = Doing::by(&actor, &reason, self.now);
            let met = incident.meet::<D>(tx, trail, Event::Refused, &doing);
            if let Some(refused) = met.await?.ok().filter(Change::is_any) {
                change.state = refused.state;
            }
        }
        let opened = Opened {
            incident: incident.id,
            ordered: change.state == IncidentState::Open && change.step.orders(),
            action: step,
            rule: rule.name.clone(),
            restraint,
        };
        if !change.state.is_over() {
            row.open = Some(incident.id.0);
            row.incident = Some(incident);
        }
        Ok(match told {
            true => News::Told {
                at: self.now,
                opened: Some(opened),
            },
            false => News::Opened {
                opened,
                spent: change.effects.contains(&Effect::Spend),
            },
        })
    }
}

/// The targets that take what a step orders of an identity.
fn routed(policy: &Policy, step: Step, identity: &Identity) -> Vec<String> {
    let action = match step {
        Step::Hold => Action::Hold,
        Step::Observe | Step::Notify | Step::Lock => Action::Lock,
    };
    let targets = policy.targets.targets(action, Subject::Identity, identity);
    targets.into_iter().map(str::to_owned).collect()
}

/// What is said of a crossing: in its orders, and in the audit.
fn sayings(why: &Explanation) -> (String, String) {
    let sums = why.sentence();
    let mut detail = sums.clone();
    if let Some(restraint) = &why.restraint {
        detail = format!("{detail}; {}", restraint.sentence());
    } else if why.crossing.rule.action != Step::Lock {
        let action = why.crossing.rule.action.as_str();
        detail = format!("{detail}; the rule's action is {action}");
    }
    (why.crossing.rule.reason.clone().unwrap_or(sums), detail)
}

/// What an identity without an open incident is at.
const NOTHING: Facts = Facts {
    step: Step::Observe,
    in_effect: false,
    elsewhere: false,
};

fn timeout(terms: Terms) -> Option<i64> {
    i64::try_from(terms.timeout_seconds?).ok()
}

/// How long the lock that a rule orders will last; none where nothing ends by itself.
async fn terms<D: Dialect>(
    tx: &mut Tx<D>,
    identity: IdentityId,
    policy: &Policy,
    rule: &Rule,
    now: Timestamp,
) -> Result<Option<Terms>, StoreError> {
    let life = &policy.life;
    if life.terms(rule, 0).timeout_seconds.is_none() {
        return Ok(None);
    }
    let back = i64::try_from(life.remember_seconds).unwrap_or(i64::MAX);
    let since = now
        .checked_sub(SignedDuration::from_secs(back))
        .unwrap_or(Timestamp::MIN);
    let values = vec![identity.0.into(), since.into()];
    let rows = D::rows(tx, life_sql::TIMEOUTS_BEFORE.into_sql_str(), values).await?;
    let before = match rows.first() {
        Some(row) => u64::try_from(Columns::<D>::of(row).int()?).unwrap_or_default(),
        None => 0,
    };
    Ok(Some(life.terms(rule, before)))
}

/// Writes a new incident with its evidence, its orders and its trace.
async fn begin<D: Dialect>(
    tx: &mut Tx<D>,
    trail: &mut Trail,
    owner: IdentityId,
    why: &Explanation,
    change: &Change,
    doing: &Doing<'_>,
) -> Result<Incident, StoreError> {
    let at = why.decided_at;
    let mut incident = Incident {
        id: why.incident_id(owner),
        owner,
        state: change.state,
        step: change.step,
        round: 0,
        opened_at: at,
        timeout: why.terms.and_then(timeout),
        ends_at: None,
        ended_by: None,
        cool_down: 0,
    };
    let explanation =
        serde_json::to_string(why).map_err(|error| StoreError::Row(error.to_string()))?;
    let row = vec![
        incident.id.0.into(),
        owner.0.into(),
        change.state.as_str().into(),
        at.into(),
        explanation.into(),
        why.crossing.rule.name.as_str().into(),
        change.step.as_str().into(),
        incident.timeout.into(),
        change.step.orders().then_some(at).into(),
    ];
    run::<D>(tx, life_sql::INSERT_INCIDENT, row).await?;
    add_evidence::<D>(tx, incident.id, 0, &why.crossing.tally.evidence).await?;
    let none = BTreeSet::new();
    incident
        .carry_out::<D>(tx, trail, change, &none, doing)
        .await?;
    Ok(incident)
}

/// Adds a stronger crossing to what an open incident says of itself.
async fn escalate<D: Dialect>(
    tx: &mut Tx<D>,
    incident: &Incident,
    why: Explanation,
) -> Result<(), StoreError> {
    let bad = |error: serde_json::Error| StoreError::Row(error.to_string());
    let id = || vec![incident.id.0.into()];
    let rows = D::rows(tx, life_sql::EXPLANATION.into_sql_str(), id()).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let mut explanation = Columns::<D>::of(row).json()?;
    let rows = D::rows(tx, life_sql::EVIDENCE_OF.into_sql_str(), id()).await?;
    let known = rows
        .iter()
        .map(|row| Columns::<D>::of(row).id().map(ReportId));
    let known: HashSet<ReportId> = known.collect::<Result<_, _>>()?;
    let mut more = why.crossing.tally.evidence.clone();
    more.retain(|report| !known.contains(report));
    let (rule, at) = (why.crossing.rule.name.clone(), why.decided_at);
    let escalation = Escalation {
        crossing: why.crossing,
        trigger: why.trigger,
        decided_at: at,
        restraint: why.restraint,
        terms: why.terms,
    };
    let escalation = serde_json::to_value(&escalation).map_err(bad)?;
    if let Some(fields) = explanation.as_object_mut() {
        let list = fields
            .entry("escalations")
            .or_insert_with(|| serde_json::json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(escalation);
        }
    }
    let row = vec![
        incident.id.0.into(),
        explanation.to_string().into(),
        rule.into(),
        incident.timeout.into(),
        at.into(),
    ];
    run::<D>(tx, life_sql::ESCALATE_INCIDENT, row).await?;
    add_evidence::<D>(tx, incident.id, known.len(), &more).await
}

async fn add_evidence<D: Dialect>(
    tx: &mut Tx<D>,
    incident: IncidentId,
    from: usize,
    reports: &[ReportId],
) -> Result<(), StoreError> {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let evidence: Vec<(i64, ReportId)> = (from..).zip(reports.iter().copied()).collect();
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
    Ok(())
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
