//! How the feeds are: what came from each since the last time it was written down, when something last did, and
//! the shape of its newest reports. Figures only: nothing is decided by them.

use crate::clock::Clock;
use crate::domain::feed::Feed;
use crate::domain::feed::health::{self, Present, Shape};
use crate::domain::standing::Standing;
use crate::metrics::Metrics;
use crate::store::{FeedSums, Store};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is written down and looked at.
const PERIOD: Duration = Duration::from_secs(30);
/// How long the store may take for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something about a feed that a person should know. What is told today is a log line and a metric; the desk's
/// notices begin here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Nothing has come since then, though something should have.
    Silent {
        /// The feed.
        feed: String,
        /// Since when.
        since: Timestamp,
    },
    /// Something came again.
    Heard {
        /// The feed.
        feed: String,
    },
    /// Fields that always came are in none of the newest reports; none: all came back, or the new shape is the
    /// usual one by now.
    Changed {
        /// The feed.
        feed: String,
        /// The fields.
        gone: Vec<&'static str>,
    },
}

/// What is known of one feed.
#[derive(Debug, Default)]
struct State {
    expect_every: Option<SignedDuration>,
    /// When something last came, or since when it is waited for.
    last: Timestamp,
    sums: FeedSums,
    shape: Shape,
    silent: bool,
    gone: Vec<&'static str>,
}

/// The feeds' health, as this process sees it.
#[derive(Debug)]
pub struct Health {
    feeds: Mutex<BTreeMap<String, State>>,
    metrics: Arc<Metrics>,
}

impl Health {
    /// Of these feeds, which are waited for from `now` on.
    pub fn new(feeds: &[Feed], metrics: Arc<Metrics>, now: Timestamp) -> Self {
        let state = |feed: &Feed| State {
            expect_every: feed.expect_every,
            last: now,
            ..State::default()
        };
        let states = feeds.iter().map(|feed| (feed.name.clone(), state(feed)));
        Self {
            feeds: Mutex::new(states.collect()),
            metrics,
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, State>) -> T) -> T {
        work(&mut self.feeds.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a message that was filed as new. `feed` is the one that is proven, or the one that it claims to be
    /// from.
    pub fn note(&self, feed: &str, present: Present, standing: Standing, at: Timestamp) {
        let mut outcomes = vec!["filed"];
        self.with(|feeds| {
            let Some(state) = feeds.get_mut(feed) else {
                outcomes.clear();
                return;
            };
            if standing == Standing::Unproven {
                state.sums.unproven += 1;
                state.sums.last_seen = state.sums.last_seen.max(Timestamp::UNIX_EPOCH);
                outcomes = vec!["unproven"];
                return;
            }
            state.last = state.last.max(at);
            state.sums.last_seen = state.sums.last_seen.max(at);
            state.sums.filed += 1;
            let mut add = |is: bool, sum: &mut u64, name| {
                if is {
                    *sum += 1;
                    outcomes.push(name);
                }
            };
            add(present.is_readable(), &mut state.sums.readable, "readable");
            add(
                present.is_identified(),
                &mut state.sums.attributed,
                "attributed",
            );
            add(
                standing == Standing::Counted,
                &mut state.sums.counted,
                "counted",
            );
            add(standing == Standing::OverCap, &mut 0, "over_cap");
            if present.is_readable() {
                state.shape.add(present);
            }
        });
        for outcome in outcomes {
            let labels = [feed, outcome];
            self.metrics.feed_outcomes.with_label_values(&labels).inc();
        }
    }

    /// Takes over when something was last heard of the feeds, from another node or before a restart.
    pub fn heard(&self, feed: &str, last_seen: Timestamp) {
        self.with(|feeds| {
            if let Some(state) = feeds.get_mut(feed) {
                state.last = state.last.max(last_seen);
            }
        });
    }

    /// What came since the last time.
    fn take(&self) -> BTreeMap<String, FeedSums> {
        self.with(|feeds| {
            let taken = feeds.iter_mut().filter_map(|(name, state)| {
                let sums = std::mem::take(&mut state.sums);
                (sums.filed + sums.unproven > 0).then(|| (name.clone(), sums))
            });
            taken.collect()
        })
    }

    /// Adds again what could not be written down.
    fn give_back(&self, sums: BTreeMap<String, FeedSums>) {
        self.with(|feeds| {
            for (name, old) in sums {
                let Some(state) = feeds.get_mut(&name) else {
                    continue;
                };
                let new = &mut state.sums;
                new.last_seen = new.last_seen.max(old.last_seen);
                new.filed += old.filed;
                new.readable += old.readable;
                new.attributed += old.attributed;
                new.counted += old.counted;
                new.unproven += old.unproven;
            }
        });
    }

    /// What has changed for the worse or the better since it was last asked.
    pub fn look(&self, now: Timestamp) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        self.with(|feeds| {
            for (name, state) in feeds.iter_mut() {
                let feed = || name.clone();
                let silent = health::silent(state.expect_every, state.last, now);
                if silent != state.silent {
                    state.silent = silent;
                    alarms.push(match silent {
                        true => Alarm::Silent {
                            feed: feed(),
                            since: state.last,
                        },
                        false => Alarm::Heard { feed: feed() },
                    });
                }
                let gone = state.shape.stopped();
                if gone != state.gone {
                    state.gone.clone_from(&gone);
                    alarms.push(Alarm::Changed { feed: feed(), gone });
                }
                let metrics = &self.metrics;
                let label = [name.as_str()];
                let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
                metrics
                    .feed_silent
                    .with_label_values(&label)
                    .set(silent.into());
                let gone = &metrics.feed_fields_gone;
                gone.with_label_values(&label).set(number(state.gone.len()));
                let last = &metrics.feed_last_seen;
                last.with_label_values(&label).set(state.last.as_second());
            }
        });
        alarms
    }

    /// Writes down what came, learns what other nodes heard, and tells what is wrong. False when the store
    /// could not take it; nothing is lost then.
    pub async fn step(&self, store: &dyn Store, now: Timestamp) -> bool {
        let sums = self.take();
        let written = async {
            if !sums.is_empty() {
                store.add_feed_sums(&sums, now).await?;
            }
            store.feeds(now).await
        };
        let fine = match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(rows)) => {
                for row in rows {
                    self.heard(&row.feed, row.sums.last_seen);
                }
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the feeds' figures could not be written down; they are kept");
                self.give_back(sums);
                false
            }
            Err(_) => {
                tracing::warn!("the store took too long for the feeds' figures; some may be lost");
                false
            }
        };
        self.look(now).iter().for_each(tell);
        fine
    }

    /// Does so now and then until told to stop, and once more then.
    pub async fn run(
        self: Arc<Self>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        while !stop.is_cancelled() {
            self.step(store.as_ref(), clock.now()).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        self.step(store.as_ref(), clock.now()).await;
    }
}

fn tell(alarm: &Alarm) {
    match alarm {
        Alarm::Silent { feed, since } => {
            tracing::warn!(feed, %since, "nothing comes from a feed any more");
        }
        Alarm::Heard { feed } => tracing::info!(feed, "something comes from a feed again"),
        Alarm::Changed { feed, gone } if gone.is_empty() => {
            tracing::info!(feed, "a feed's reports have their usual fields");
        }
        Alarm::Changed { feed, gone } => {
            tracing::warn!(
                feed,
                fields = gone.join(", "),
                "fields that always came in a feed's reports are gone"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn health() -> Health {
        let feed = Feed {
            name: "f".into(),
            expect_every: Some(SignedDuration::from_secs(60)),
            ..Feed::default()
        };
        Health::new(&[feed], Arc::new(Metrics::new().unwrap()), at(0))
    }

    fn present(readable: bool) -> Present {
        let mut reading = crate::domain::report::Reading::none();
        if readable {
            reading.format = crate::domain::report::Format::Arf;
        }
        Present::of(&reading, readable)
    }

    #[test]
    fn silence_is_told_once_and_ends() {
        let health = health();
        assert_eq!(health.look(at(60)), []);
        let silent = Alarm::Silent {
            feed: "f".into(),
            since: at(0),
        };
        assert_eq!(health.look(at(61)), [silent]);
        assert_eq!(health.look(at(99)), []);
        health.note("f", present(true), Standing::Unproven, at(99));
        assert_eq!(
            health.look(at(99)),
            [],
            "a stranger's word is no sign of life"
        );
        health.heard("f", at(99));
        assert_eq!(health.look(at(100)), [Alarm::Heard { feed: "f".into() }]);
    }

    #[test]
    fn sums_are_taken_once() {
        let health = health();
        for (readable, standing) in [
            (true, Standing::Counted),
            (true, Standing::OverCap),
            (false, Standing::NotAReport),
            (true, Standing::Unproven),
        ] {
            health.note("f", present(readable), standing, at(5));
            health.note("stranger", present(readable), standing, at(5));
        }
        let taken = health.take();
        let want = FeedSums {
            last_seen: at(5),
            filed: 3,
            readable: 2,
            attributed: 2,
            counted: 1,
            unproven: 1,
        };
        assert_eq!(taken, BTreeMap::from([("f".to_owned(), want)]));
        assert!(health.take().is_empty());
        health.give_back(taken.clone());
        assert_eq!(health.take(), taken);
        let over = health
            .metrics
            .feed_outcomes
            .with_label_values(&["f", "over_cap"]);
        assert_eq!(over.get(), 1);
    }

    #[test]
    fn a_change_of_shape_is_told_once() {
        let health = health();
        (0..200).for_each(|_| health.note("f", present(true), Standing::Counted, at(1)));
        assert_eq!(health.look(at(1)), []);
        let mut other = crate::domain::report::Reading::none();
        other.format = crate::domain::report::Format::Arf;
        let other = Present::of(&other, false);
        (0..20).for_each(|_| health.note("f", other, Standing::Unattributed, at(1)));
        let changed = Alarm::Changed {
            feed: "f".into(),
            gone: vec!["identity"],
        };
        assert_eq!(health.look(at(1)), [changed]);
        assert_eq!(health.look(at(1)), []);
    }
}
