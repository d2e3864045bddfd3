//! Replays rules over the store's history: identity by identity, complaint by complaint, so that memory stays
//! bounded whatever the history; every decision is the domain's.

use crate::domain::filing::Policy;
use crate::domain::identity::Identity;
use crate::domain::replay::{Difference, Outcome, Replay, compare};
use crate::domain::threshold::longest_window_start;
use crate::store::{Archive, Mark, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Identities that are read at a time.
const IDENTITIES: u32 = 200;
/// Complaints that are read at a time.
const COMPLAINTS: u32 = 5_000;

/// What is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Span<'p> {
    /// The rules and what restrains them.
    pub policy: &'p Policy,
    /// What came after this instant is replayed; what is before it fills the windows.
    pub since: Timestamp,
    /// What came after this instant is left out.
    pub until: Timestamp,
    /// Whether what is only told is compared too.
    pub notices: bool,
}

/// One difference, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The identity.
    pub identity: Identity,
    /// By the rules, and in fact.
    #[serde(flatten)]
    pub difference: Difference,
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Identities that were complained of.
    pub identities: u64,
    /// Complaints that were gone through.
    pub complaints: u64,
    /// How many crossings there were of each outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
}

/// Who hears of it while it goes on.
pub trait Audience {
    /// So many identities are to come.
    fn begins(&mut self, identities: u64);
    /// One identity is done, with what came of it.
    fn done(&mut self, found: Vec<Replayed>);
}

/// Replays.
///
/// # Errors
/// When the store cannot be read.
pub async fn replay(
    archive: &dyn Archive,
    span: Span<'_>,
    audience: &mut (dyn Audience + Send),
) -> Result<Sums, StoreError> {
    let policy = span.policy;
    let back = i64::try_from(policy.reopen_after_seconds).unwrap_or(i64::MAX);
    let back = longest_window_start(&policy.rules, span.since)
        .checked_sub(SignedDuration::from_secs(back))
        .unwrap_or(Timestamp::MIN);
    let ends = archive.ends(back).await?;
    audience.begins(archive.count(span.since).await?);
    let mut sums = Sums::default();
    let mut behind = None;
    loop {
        let page = archive.page(behind, span.since, IDENTITIES).await?;
        let Some(last) = page.last() else {
            return Ok(sums);
        };
        behind = Some(last.id);
        for known in &page {
            let past = archive.incidents(known.id, &ends).await?;
            let mut replay = Replay::new(policy, &known.identity, &past, span.since);
            let mut mark = Mark::after(replay.needs_after());
            loop {
                let read = archive.complaints(known.id, mark, span.until, COMPLAINTS);
                let complaints = read.await?;
                let Some(last) = complaints.last() else {
                    break;
                };
                mark = Mark::behind(last);
                complaints.iter().for_each(|one| replay.take(one));
                sums.complaints += complaints.len() as u64;
            }
            let found = compare(replay.finish(), &past, span.since, span.notices);
            for difference in &found {
                let place = Outcome::ALL.iter().position(|o| *o == difference.outcome);
                sums.outcomes[place.unwrap_or(0)] += 1;
            }
            sums.identities += 1;
            let replayed = |difference| Replayed {
                identity: known.identity.clone(),
                difference,
            };
            audience.done(found.into_iter().map(replayed).collect());
        }
    }
}
