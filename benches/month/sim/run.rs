//! The run: slices of ten minutes. What was locked sends no more; who was locked wrongly is let go by the desk; who was
//! robbed gets his mailbox back.

use super::Plan;
use super::acts::{Acts, DAY, Mail, Origin, SLICE};
use super::hoster::{self, Sender};
use super::people::{Kind, Person, Theft, people};
use super::score::{Episode, Figures, share};
use arfd::app;
use arfd::domain::filing::{Filed, Filing, Policy};
use arfd::domain::ids::{IncidentId, ReportId};
use arfd::domain::standing::Standing;
use arfd::intake::prepare::{Judge, Trial};
use arfd::store::{Store, StoreOptions, open};
use fastrand::Rng;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// 2026-03-01, midnight.
const START: i64 = 1_772_323_200;
/// Reports in one transaction.
const BATCH: usize = 128;
/// How long after its order a lock takes hold.
const TAKES_HOLD: i64 = 60;
/// How long the desk takes to see that a lock is wrong, and a customer to change a password. Assumed.
const WRONG: i64 = 12 * 3_600;
const CLEANED: i64 = 24 * 3_600;

struct Month<'p> {
    plan: &'p Plan,
    judge: Judge,
    policy: Policy,
    store: Arc<dyn Store>,
    people: Vec<Person>,
    by_name: HashMap<String, usize>,
    acts: Acts,
    /// What is on its way, by arrival.
    coming: BinaryHeap<Reverse<(i64, usize)>>,
    mails: HashMap<usize, Mail>,
    next: usize,
    episodes: Vec<Episode>,
    /// The episode that somebody is in.
    current: HashMap<usize, usize>,
    /// Who is locked since when.
    locked: HashMap<usize, i64>,
    releases: BTreeMap<(i64, usize), IncidentId>,
    origins: HashMap<ReportId, Origin>,
    loops: (usize, usize),
    figures: Figures,
}

/// Simulates; `progress` hears of each day that is done.
pub async fn run(plan: &Plan, folder: &Path, progress: &mut dyn FnMut(u32)) -> Figures {
    let settings = hoster::settings(folder, &plan.trial, &plan.rules);
    let options = StoreOptions::default();
    let store = open(settings.store.url.expose(), &options)
        .await
        .expect("the store opens");
    let policy = app::policy(&settings, &*store, time(0))
        .await
        .expect("the policy");
    let mut random = Rng::with_seed(plan.seed);
    let people = people(plan, &mut random);
    let by_name = people
        .iter()
        .enumerate()
        .map(|(i, p)| (p.mailbox.clone(), i))
        .collect();
    let mut month = Month {
        plan,
        judge: app::judge(&settings).expect("the judge"),
        policy,
        store,
        people,
        by_name,
        acts: Acts::new(random),
        coming: BinaryHeap::new(),
        mails: HashMap::new(),
        next: 0,
        episodes: Vec::new(),
        current: HashMap::new(),
        locked: HashMap::new(),
        releases: BTreeMap::new(),
        origins: HashMap::new(),
        loops: (0, 0),
        figures: Figures {
            identities: plan.identities,
            days: plan.days,
            seed: plan.seed,
            ..Figures::default()
        },
    };
    for day in 0..plan.days {
        month.day(day).await;
        progress(day);
    }
    month.finish().await
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).expect("within the calendar")
}

impl Month<'_> {
    async fn day(&mut self, day: u32) {
        let people = std::mem::take(&mut self.people);
        for (who, person) in people.iter().enumerate() {
            self.acts.day(person, who, day);
        }
        self.acts.forgers(&people, day);
        let letters = people
            .iter()
            .enumerate()
            .filter(|(_, p)| matches!(p.kind, Kind::Newsletter { .. }));
        // One newsletter in ten has a rival.
        for (rival, (who, person)) in letters.step_by(10).enumerate() {
            self.acts.competitor(person, who, rival, day);
        }
        self.people = people;
        let start = i64::from(day) * DAY;
        for slice in 0..DAY / SLICE {
            self.slice(start + slice * SLICE).await;
        }
    }

    async fn slice(&mut self, start: i64) {
        self.release(start).await;
        self.spam(start);
        for mail in std::mem::take(&mut self.acts.made) {
            self.next += 1;
            self.coming.push(Reverse((mail.arrives, self.next)));
            self.mails.insert(self.next, mail);
        }
        let mut batch = Vec::new();
        while let Some(Reverse((arrives, n))) = self.coming.peek().copied() {
            if arrives >= start + SLICE {
                break;
            }
            self.coming.pop();
            let Some(mail) = self.mails.remove(&n) else {
                continue;
            };
            if mail.origin != Origin::Forged && self.is_locked(mail.who, mail.sent) {
                continue;
            }
            let filing = self.judged(&mail);
            batch.push((mail, filing));
            if batch.len() == BATCH {
                self.file(std::mem::take(&mut batch)).await;
            }
        }
        self.file(batch).await;
    }

    fn is_locked(&self, who: usize, at: i64) -> bool {
        self.locked.get(&who).is_some_and(|since| *since <= at)
    }

    /// Lets those go whose time has come.
    async fn release(&mut self, now: i64) {
        while let Some(entry) = self.releases.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let ((_, who), incident) = entry.remove_entry();
            let closed = self
                .store
                .close_incident(incident, "desk", "looked at", time(now));
            closed.await.expect("the incident is closed");
            self.locked.remove(&who);
        }
    }

    /// Ten minutes of all who spam.
    fn spam(&mut self, start: i64) {
        let people = std::mem::take(&mut self.people);
        for (who, person) in people.iter().enumerate() {
            let theft = person
                .thefts
                .iter()
                .find(|t| t.from <= start && start < t.from + t.seconds);
            let (theft, kind) = match (theft, person.kind) {
                (Some(theft), Kind::Shared { .. }) => (*theft, "shared"),
                (Some(theft), _) => (
                    *theft,
                    if theft.hourly > 50.0 {
                        "stolen, fast"
                    } else {
                        "stolen, slow"
                    },
                ),
                (None, Kind::Snowshoe { daily, from_day })
                    if start >= i64::from(from_day) * DAY =>
                {
                    // In working hours, as ordinary mail.
                    let hour = start % DAY / 3_600;
                    if !(8..18).contains(&hour) {
                        continue;
                    }
                    let theft = Theft {
                        from: i64::from(from_day) * DAY,
                        seconds: i64::MAX / 2,
                        hourly: daily / 10.0,
                        refused: 0.25,
                        complaints: 0.03,
                    };
                    (theft, "snowshoe")
                }
                _ => continue,
            };
            let begun = self.current.get(&who).copied();
            // Over once it was locked: the password is a new one, or the customer is gone.
            if begun.is_some_and(|e| self.episodes[e].locked.is_some_and(|at| at <= start)) {
                continue;
            }
            if begun.is_none() {
                self.current.insert(who, self.episodes.len());
                self.episodes.push(Episode {
                    who,
                    kind,
                    from: start,
                    until: theft.from.saturating_add(theft.seconds),
                    reports: 0,
                    locked: None,
                });
            }
            if !self.is_locked(who, start) {
                self.acts.spam(person, who, &theft, start);
            }
        }
        self.people = people;
    }

    fn judged(&mut self, mail: &Mail) -> Filing {
        let now = time(mail.arrives);
        let (letter, arrival) = (&mail.letter, mail.from.arrival());
        let mut message = match mail.from {
            Sender::Filter | Sender::Stranger | Sender::Informed => {
                letter.by_filter(hoster::FILTER)
            }
            Sender::Yahoo | Sender::Signer => letter.by_yahoo(hoster::YAHOO),
            Sender::Jmrp | Sender::Impostor => letter.by_jmrp(hoster::JMRP),
        };
        if mail.from.signs() {
            let signature = b"DKIM-Signature: v=1; a=ed25519-sha256; d=as.said; s=s1; bh=; b=\r\n";
            message = [&signature[..], &message].concat();
        }
        let checks = mail.from.checks(now);
        let trial = Trial::first(checks.as_ref(), now);
        self.judge.prepare_with(arrival, &message, trial).filing
    }

    async fn file(&mut self, batch: Vec<(Mail, Filing)>) {
        if batch.is_empty() {
            return;
        }
        let (mails, filings): (Vec<Mail>, Vec<Filing>) = batch.into_iter().unzip();
        let filed = self
            .store
            .file(&filings, &self.policy)
            .await
            .expect("the batch is filed");
        for ((mail, filing), filed) in mails.iter().zip(&filings).zip(&filed) {
            self.note(mail, filing, filed);
        }
    }

    fn note(&mut self, mail: &Mail, filing: &Filing, filed: &Filed) {
        assert!(!filed.repeated, "every report differs");
        let figures = &mut self.figures;
        figures.reports += 1;
        *figures
            .standings
            .entry(filed.standing.as_str().to_owned())
            .or_default() += 1;
        if filed.standing == Standing::Counted {
            self.origins.insert(filed.id, mail.origin);
            figures.forged_counted += usize::from(mail.from.is_forger());
        }
        if matches!(mail.from, Sender::Yahoo | Sender::Jmrp) {
            self.loops.0 += usize::from(mail.origin == Origin::Forwarded);
            self.loops.1 += 1;
        }
        if mail.origin == Origin::Spam
            && let Some(episode) = self.current.get(&mail.who).map(|e| &mut self.episodes[*e])
            && episode.locked.is_none()
        {
            episode.reports += 1;
        }
        let Some(opened) = &filed.opened else {
            return;
        };
        // A notice to the desk locks nobody.
        if !opened.action.orders() {
            return;
        }
        if !opened.ordered {
            let why = opened
                .restraint
                .as_ref()
                .map_or("no outgoing user", |r| r.as_str());
            *figures.restrained.entry(why.to_owned()).or_default() += 1;
            return;
        }
        let at = mail.arrives + TAKES_HOLD;
        figures.locks_on_first_day += usize::from(mail.arrives < DAY);
        *figures.by_rule.entry(opened.rule.clone()).or_default() += 1;
        let named = filing
            .attribution
            .identity()
            .map(|i| i.value.clone())
            .unwrap_or_default();
        let Some(who) = self.by_name.get(&named).copied() else {
            return;
        };
        self.locked.insert(who, at);
        let episode = self.current.get(&who).map(|e| &mut self.episodes[*e]);
        // Complaints come late: who spammed until yesterday is no wrong one.
        let release = match episode {
            Some(episode)
                if episode.locked.is_none() && mail.arrives < episode.until.saturating_add(DAY) =>
            {
                if mail.arrives < episode.until {
                    episode.locked = Some(at);
                }
                match episode.kind {
                    "snowshoe" => None,
                    _ => Some(CLEANED),
                }
            }
            _ => Some(WRONG),
        };
        if let Some(after) = release {
            self.releases.insert((at + after, who), opened.incident);
        }
    }

    async fn finish(mut self) -> Figures {
        let end = i64::from(self.plan.days) * DAY;
        let incidents = self
            .store
            .incidents(1_000_000)
            .await
            .expect("the incidents");
        for row in incidents {
            // Nothing was sent for these.
            if ["observed", "held", "refused"].contains(&&*row.state) {
                continue;
            }
            // A notice may have been raised to a lock; by itself it is none.
            let raised = row.explanation["escalations"].as_array().cloned();
            let lock = std::iter::once(row.explanation.clone())
                .chain(raised.unwrap_or_default())
                .find(|one| one["crossing"]["rule"]["action"] == "lock");
            let Some(lock) = lock else {
                continue;
            };
            let at = lock["decided_at"].as_str().and_then(|at| at.parse().ok());
            let at = at.map_or(0, Timestamp::as_second) - START;
            let evidence = lock["crossing"]["tally"]["evidence"].as_array().cloned();
            let origins: Vec<Origin> = evidence
                .unwrap_or_default()
                .iter()
                .filter_map(|id| serde_json::from_value::<ReportId>(id.clone()).ok())
                .filter_map(|id| self.origins.get(&id).copied())
                .collect();
            assert!(!origins.is_empty(), "a lock explains itself");
            let of = |origin| origins.iter().filter(|o| **o == origin).count();
            self.figures.locks += 1;
            self.figures.locks_on_forged += usize::from(of(Origin::Forged) > 0);
            let who = self.by_name.get(&row.identity);
            let spams = who.is_some_and(|who| {
                let mut all = self.episodes.iter().filter(|e| e.who == *who);
                all.any(|e| e.from <= at && at < e.until.saturating_add(DAY))
            });
            if spams {
                self.figures.right += 1;
                continue;
            }
            let cause = [
                (of(Origin::Forged) > 0, "forged"),
                (
                    of(Origin::Competitor) * 2 > origins.len(),
                    "a competitor's complaints",
                ),
                (of(Origin::Forwarded) * 2 > origins.len(), "forwarded mail"),
                (of(Origin::Spam) * 2 > origins.len(), "spam of another"),
                (
                    who.is_some_and(|who| {
                        matches!(self.people[*who].kind, Kind::Newsletter { .. })
                    }),
                    "newsletters",
                ),
                (true, "ordinary mail"),
            ];
            let cause = cause
                .iter()
                .find(|(is, _)| *is)
                .map_or("", |(_, cause)| cause);
            *self.figures.wrong.entry(cause.to_owned()).or_default() += 1;
        }
        self.figures.forwarded_share = share(self.loops.0, self.loops.1);
        self.figures.episodes(&self.episodes, end);
        self.store.close().await;
        self.figures
    }
}
