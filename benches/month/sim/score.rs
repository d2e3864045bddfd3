//! What the locks were worth, held against what was true.

use serde::Serialize;
use std::collections::BTreeMap;

/// A time in which an account sent spam.
#[derive(Clone, Debug)]
pub struct Episode {
    pub who: usize,
    pub kind: &'static str,
    /// The first spam.
    pub from: i64,
    /// When it ends by itself.
    pub until: i64,
    /// Reports about it before the lock.
    pub reports: usize,
    pub locked: Option<i64>,
}

/// Sums of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub identities: usize,
    pub days: u32,
    pub seed: u64,
    /// Reports that came in, and how they stood.
    pub reports: usize,
    pub standings: BTreeMap<String, usize>,
    /// Complaints of loops that were about forwarded mail, as a share of all complaints of loops.
    pub forwarded_share: f64,
    /// Locks, and those that hit somebody who spammed.
    pub locks: usize,
    pub right: usize,
    pub wrong: BTreeMap<String, usize>,
    /// Locks and counted reports that rest on what somebody made up. Must be zero.
    pub locks_on_forged: usize,
    pub forged_counted: usize,
    /// Crossings that were only recorded or held, by why.
    pub restrained: BTreeMap<String, usize>,
    pub precision: f64,
    pub recall: f64,
    /// The same for each kind of spamming: locked, all.
    pub episodes: BTreeMap<String, (usize, usize)>,
    /// From the first spam to the lock, in minutes.
    pub minutes_to_lock: Quantiles,
    /// Reports about a spammer before his lock.
    pub reports_before_lock: Quantiles,
    /// Locks within the first day.
    pub locks_on_first_day: usize,
    /// Locks by rule.
    pub by_rule: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    pub median: f64,
    pub p90: f64,
}

impl Quantiles {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = all.len().saturating_sub(1) as f64;
            all.get((last * share).round() as usize)
                .copied()
                .unwrap_or_default()
        };
        Self {
            median: at(0.5),
            p90: at(0.9),
        }
    }
}

impl Figures {
    /// Adds what became of the times of spamming that began at least a day before `end`. Servers that authenticate by
    /// address are told apart: they cannot be locked without hitting everybody behind them.
    pub fn episodes(&mut self, all: &[Episode], end: i64) {
        let old: Vec<&Episode> = all.iter().filter(|e| e.from + 86_400 <= end).collect();
        for episode in &old {
            let sums = self.episodes.entry(episode.kind.to_owned()).or_default();
            sums.0 += usize::from(episode.locked.is_some());
            sums.1 += 1;
        }
        let lockable = old.iter().filter(|e| e.kind != "shared");
        let (locked, total) = lockable.fold((0, 0), |(locked, total), e| {
            (locked + usize::from(e.locked.is_some()), total + 1)
        });
        self.recall = share(locked, total);
        self.precision = share(self.right, self.locks);
        let locked = || old.iter().filter_map(|e| Some((e, e.locked?)));
        self.minutes_to_lock = Quantiles::of(
            locked()
                .map(|(e, at)| (at - e.from) as f64 / 60.0)
                .collect(),
        );
        self.reports_before_lock = Quantiles::of(locked().map(|(e, _)| e.reports as f64).collect());
    }

    /// For people.
    pub fn table(&self) -> String {
        let list = |sums: &BTreeMap<String, usize>| {
            let all: Vec<String> = sums.iter().map(|(name, n)| format!("{name} {n}")).collect();
            match all.is_empty() {
                true => "none".to_owned(),
                false => all.join(", "),
            }
        };
        let episodes: Vec<String> = self
            .episodes
            .iter()
            .map(|(kind, (locked, all))| format!("{kind} {locked} of {all}"))
            .collect();
        let times = |q: &Quantiles| format!("{:.0} / {:.0}", q.median, q.p90);
        [
            (
                "identities, days, seed",
                format!("{}, {}, {}", self.identities, self.days, self.seed),
            ),
            (
                "reports",
                format!("{} ({})", self.reports, list(&self.standings)),
            ),
            (
                "complaints of loops about forwarded mail",
                format!("{:.0} %", self.forwarded_share * 100.0),
            ),
            ("locks", format!("{} ({})", self.locks, list(&self.by_rule))),
            ("precision", format!("{:.1} %", self.precision * 100.0)),
            (
                "recall",
                format!("{:.1} % ({})", self.recall * 100.0, episodes.join(", ")),
            ),
            (
                "minutes to lock, median / p90",
                times(&self.minutes_to_lock),
            ),
            (
                "reports before the lock, median / p90",
                times(&self.reports_before_lock),
            ),
            ("wrong locks", list(&self.wrong)),
            ("recorded or held", list(&self.restrained)),
            (
                "locks on the first day",
                self.locks_on_first_day.to_string(),
            ),
            (
                "forged reports that counted",
                self.forged_counted.to_string(),
            ),
            ("locks on forged input", self.locks_on_forged.to_string()),
        ]
        .iter()
        .map(|(name, value)| format!("{name:<42}{value}\n"))
        .collect()
    }

    /// Whether nothing that somebody made up did anything.
    pub fn is_safe(&self) -> bool {
        self.locks_on_forged == 0 && self.forged_counted == 0
    }
}

pub fn share(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 1.0,
        whole => part as f64 / whole as f64,
    }
}
