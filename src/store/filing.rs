//! Filing a batch, in one transaction and always in the same order: identities first (their row locks make
//! concurrent counting exact), then reports, evidence and complaints, then what crosses.

use super::StoreError;
use super::accounts;
use super::body::{SqlStore, Tx, insert, listed};
use super::caps;
use super::closing;
use super::crossing::{self, Present};
use super::dialect::{Columns, Dialect, Value};
use super::incident::Incident;
use super::sql;
use super::trail::Trail;
use super::unproven;
use crate::domain::complaint::Complaint;
use crate::domain::filing::{Filed, Filing, Opened, Policy};
use crate::domain::identity::Identity;
use crate::domain::ids::{ComplaintId, IdentityId, ReportId};
use crate::domain::standing::Standing;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// An identity whose row this transaction holds.
#[derive(Debug)]
pub(super) struct Held<'b> {
    /// Who it is.
    pub(super) identity: &'b Identity,
    /// The row's version, this batch included.
    pub(super) version: i64,
    /// Complaints up to this instant are spent.
    pub(super) counted_from: Option<Timestamp>,
    /// Its open incident.
    pub(super) open: Option<Uuid>,
    /// The same, once it is read.
    pub(super) incident: Option<Incident>,
    /// Until when it is not locked at once, and whose release that is for.
    pub(super) cool: Option<(Timestamp, String)>,
    /// When the newest complaint of this batch about it was received.
    pub(super) seen: Timestamp,
}

/// The filings of a batch that are to be written if they are new: the first of each report.
struct Firsts<'b> {
    /// In the order of the batch.
    filings: Vec<&'b Filing>,
    /// The attributions as JSON, the recipients and the aliases, by report.
    texts: HashMap<ReportId, (String, String, Option<String>)>,
}

impl<'b> Firsts<'b> {
    fn of(batch: &'b [Filing]) -> Result<Self, StoreError> {
        let mut filings = Vec::with_capacity(batch.len());
        let mut texts = HashMap::with_capacity(batch.len());
        for filing in batch {
            if texts.contains_key(&filing.id) {
                continue;
            }
            let bad = |error: serde_json::Error| StoreError::Row(error.to_string());
            let attribution = serde_json::to_string(&filing.attribution).map_err(bad)?;
            let rcpt_to = serde_json::to_string(&filing.arrival.rcpt_to).map_err(bad)?;
            let alias = accounts::text(filing)?;
            texts.insert(filing.id, (attribution, rcpt_to, alias));
            filings.push(filing);
        }
        Ok(Self { filings, texts })
    }
}

/// The complaint of a filing, where it counts.
pub(super) fn complaint(filing: &Filing) -> Option<&Complaint> {
    filing
        .complaint
        .as_ref()
        .filter(|_| filing.standing == Standing::Counted)
}

/// See [`super::Store::file`].
pub(super) async fn file<D: Dialect>(
    store: &SqlStore<D>,
    batch: &[Filing],
    policy: &Policy,
) -> Result<Vec<Filed>, StoreError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let firsts = Firsts::of(batch)?;
    let mut tx = store.begin().await?;
    let mut held = hold_identities::<D>(&mut tx, &firsts.filings).await?;
    let mut trail = Trail::default();
    closing::expire::<D>(&mut tx, &mut trail, &mut held, policy).await?;
    let fresh = insert_reports::<D>(&mut tx, &firsts).await?;
    let known = standings_of_repeats::<D>(&mut tx, &firsts.filings, &fresh).await?;
    let new: Vec<&Filing> = firsts
        .filings
        .iter()
        .copied()
        .filter(|filing| fresh.contains(&filing.id))
        .collect();
    insert::<D, _>(&mut tx, &sql::INSERT_EVIDENCE, &new, |filing, values| {
        values.push(filing.id.0.into());
        values.push("zstd".into());
        values.push(
            i64::try_from(filing.evidence.size)
                .unwrap_or(i64::MAX)
                .into(),
        );
        values.push(Value::Bytes(&filing.evidence.zstd));
    })
    .await?;
    unproven::enqueue::<D>(&mut tx, &new).await?;
    accounts::remember::<D>(&mut tx, &new).await?;
    let counted = insert_complaints::<D>(&mut tx, &new).await?;
    let (counted, over) = caps::hold::<D>(&mut tx, counted, policy).await?;
    let mut now = Present {
        held,
        trail,
        decided_at: None,
    };
    let (mut opened, windows) =
        crossing::assess(store, &mut tx, &counted, &mut now, policy).await?;
    now.trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    store.windows.put(windows);

    let ids = |all: &[Complaint]| -> HashSet<ReportId> { all.iter().map(|c| c.report).collect() };
    Ok(results(
        batch,
        &known,
        &ids(&counted),
        &ids(&over),
        &mut opened,
    ))
}

fn results(
    batch: &[Filing],
    known: &HashMap<ReportId, Standing>,
    counted: &HashSet<ReportId>,
    over: &HashSet<ReportId>,
    opened: &mut HashMap<ReportId, Opened>,
) -> Vec<Filed> {
    let mut seen: HashMap<ReportId, Standing> = known.clone();
    batch
        .iter()
        .map(|filing| {
            if let Some(standing) = seen.get(&filing.id) {
                return Filed {
                    id: filing.id,
                    standing: *standing,
                    repeated: true,
                    opened: None,
                };
            }
            let standing = if over.contains(&filing.id) {
                Standing::OverCap
            } else if complaint(filing).is_some() && !counted.contains(&filing.id) {
                Standing::Duplicate
            } else {
                filing.standing
            };
            seen.insert(filing.id, standing);
            Filed {
                id: filing.id,
                standing,
                repeated: false,
                opened: opened.remove(&filing.id),
            }
        })
        .collect()
}

/// Takes the row locks of all identities complained of, sorted so that no two batches wait for each other,
/// and raises their versions.
pub(super) async fn hold_identities<'b, D: Dialect>(
    tx: &mut Tx<D>,
    filings: &[&'b Filing],
) -> Result<HashMap<IdentityId, Held<'b>>, StoreError> {
    let mut identities: BTreeMap<IdentityId, (&'b Identity, Timestamp)> = BTreeMap::new();
    for filing in filings {
        let Some(complaint) = complaint(filing) else {
            continue;
        };
        let identity = filing
            .attribution
            .identity()
            .filter(|identity| identity.id() == complaint.identity)
            .ok_or_else(|| {
                StoreError::Row(format!(
                    "report {}: the complaint is not about whom it names",
                    filing.id
                ))
            })?;
        let (_, last) = identities
            .entry(complaint.identity)
            .or_insert((identity, complaint.received_at));
        *last = complaint.received_at.max(*last);
    }
    let latest = identities.clone();
    let identities: Vec<_> = identities.into_iter().collect();
    let rows = insert::<D, _>(
        tx,
        &sql::UPSERT_IDENTITIES,
        &identities,
        |(id, (identity, seen)), values| {
            let user = identity.outgoing_user.as_ref();
            values.push(id.0.into());
            values.push(identity.value.as_str().into());
            values.push(user.map(|user| user.domain.as_str()).into());
            values.push(user.map(|user| user.username.as_str()).into());
            values.push((*seen).into());
            values.push((*seen).into());
            values.push(1i64.into());
        },
    )
    .await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::<D>::of(row);
            let id = IdentityId(columns.id()?);
            let (identity, seen) = *latest
                .get(&id)
                .ok_or_else(|| StoreError::Row(format!("identity {} was not asked for", id.0)))?;
            let held = Held {
                identity,
                version: columns.int()?,
                counted_from: columns.maybe_time()?,
                open: columns.maybe_id()?,
                incident: None,
                cool: columns.maybe_time()?.zip(columns.maybe_text()?),
                seen,
            };
            Ok((id, held))
        })
        .collect()
}

/// Writes the reports that are not there yet, and says which these are. They go in sorted: two batches with
/// the same new reports must meet them in the same order.
async fn insert_reports<D: Dialect>(
    tx: &mut Tx<D>,
    firsts: &Firsts<'_>,
) -> Result<HashSet<ReportId>, StoreError> {
    let mut sorted = firsts.filings.clone();
    sorted.sort_unstable_by_key(|filing| filing.id);
    let rows = insert::<D, _>(tx, &sql::INSERT_REPORTS, &sorted, |filing, values| {
        let (attribution, rcpt_to, alias) = firsts
            .texts
            .get(&filing.id)
            .map_or(("null", "[]", None), |(a, r, alias)| {
                (a.as_str(), r.as_str(), alias.as_deref())
            });
        let identity = filing.attribution.identity().map(|i| i.id().0);
        let kind = filing.feedback_type.as_ref();
        values.push(filing.id.0.into());
        values.push(filing.received_at.into());
        values.push(filing.arrival.client.to_string().into());
        values.push(filing.arrival.helo.as_str().into());
        values.push(filing.arrival.mail_from.as_str().into());
        values.push(rcpt_to.into());
        values.push(filing.feed.as_deref().into());
        values.push(filing.format.as_str().into());
        values.push(kind.map(|kind| kind.as_str()).into());
        values.push(filing.source_ip.map(|ip| ip.to_string()).into());
        values.push(filing.message_id.as_deref().into());
        values.push(identity.into());
        values.push(attribution.into());
        values.push(filing.standing.as_str().into());
        values.push(filing.reading.as_str().into());
        values.push(filing.proof.as_deref().into());
        values.push(alias.into());
    })
    .await?;
    ids::<D>(&rows).map(|ids| ids.into_iter().map(ReportId).collect())
}

fn ids<D: Dialect>(rows: &[super::dialect::Row<D>]) -> Result<Vec<Uuid>, StoreError> {
    rows.iter().map(|row| Columns::<D>::of(row).id()).collect()
}

/// What was decided of the reports that were there before.
async fn standings_of_repeats<D: Dialect>(
    tx: &mut Tx<D>,
    filings: &[&Filing],
    fresh: &HashSet<ReportId>,
) -> Result<HashMap<ReportId, Standing>, StoreError> {
    let repeats: Vec<Uuid> = filings
        .iter()
        .filter(|filing| !fresh.contains(&filing.id))
        .map(|filing| filing.id.0)
        .collect();
    let rows = listed::<D, _>(tx, &sql::SELECT_STANDINGS, &[], &repeats).await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::<D>::of(row);
            let id = ReportId(columns.id()?);
            let name = columns.text()?;
            let standing = Standing::ALL
                .into_iter()
                .find(|standing| standing.as_str() == name)
                .ok_or_else(|| StoreError::Row(format!("standing {name}")))?;
            Ok((id, standing))
        })
        .collect()
}

/// Writes the complaints that are not there yet and returns them in the order of the batch; the reports of
/// the others are marked as duplicates.
pub(super) async fn insert_complaints<D: Dialect>(
    tx: &mut Tx<D>,
    new: &[&Filing],
) -> Result<Vec<Complaint>, StoreError> {
    let mut seen: HashSet<ComplaintId> = HashSet::new();
    let all: Vec<&Complaint> = new.iter().filter_map(|filing| complaint(filing)).collect();
    let mut firsts: Vec<&Complaint> = all
        .iter()
        .copied()
        .filter(|complaint| seen.insert(complaint.id))
        .collect();
    firsts.sort_unstable_by_key(|complaint| complaint.id);
    let rows = insert::<D, _>(tx, &sql::INSERT_COMPLAINTS, &firsts, |complaint, values| {
        values.push(complaint.id.0.into());
        values.push(complaint.identity.0.into());
        values.push(complaint.feed.as_str().into());
        values.push(complaint.feedback_type.as_str().into());
        values.push(complaint.message.0.into());
        values.push(complaint.complainant.0.into());
        values.push(i64::from(complaint.weight).into());
        values.push(complaint.may.as_str().into());
        values.push(complaint.strength.as_str().into());
        values.push(complaint.class.as_deref().into());
        values.push(complaint.received_at.into());
        values.push(complaint.report.0.into());
    })
    .await?;
    let mut written: HashSet<Uuid> = ids::<D>(&rows)?.into_iter().collect();
    let (counted, duplicates): (Vec<&Complaint>, Vec<&Complaint>) = all
        .into_iter()
        .partition(|complaint| written.remove(&complaint.id.0));
    let duplicates: Vec<Uuid> = duplicates.iter().map(|c| c.report.0).collect();
    listed::<D, _>(tx, &sql::MARK_DUPLICATES, &[], &duplicates).await?;
    Ok(counted.into_iter().map(as_stored).collect())
}

/// The complaint as the database will give it back: its time in whole microseconds.
fn as_stored(complaint: &Complaint) -> Complaint {
    let micros = complaint.received_at.as_microsecond();
    Complaint {
        received_at: Timestamp::from_microsecond(micros).unwrap_or(complaint.received_at),
        ..complaint.clone()
    }
}
