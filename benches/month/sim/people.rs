//! Who lives at the hoster. The shares and rates are parameters of behaviour; each says where it comes from, and those
//! that are nobody's published figure say that they are assumed.

use super::Plan;
use fastrand::Rng;

/// Mailboxes of one customer: a small hosting contract. Assumed.
const MAILBOXES: usize = 5;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Ordinary mail of so many messages a day.
    Honest { daily: f64 },
    /// A newsletter to so many readers, once a week on this day. Complaints are a share of the readers at the houses that
    /// report: large receivers ask bulk senders to stay below one in a thousand, which most do.
    Newsletter {
        readers: usize,
        weekday: u32,
        complaints: f64,
    },
    /// Forwards a mailbox to an outside one. At some hosters nine in ten complaints are about such mail: the customer
    /// presses "spam" on what came in from outside.
    Forwarder {
        rewrite: Rewrite,
        persons: usize,
        daily: f64,
    },
    /// A server that authenticates by address, for all mailboxes behind it.
    Shared { daily: f64 },
    /// A customer who spams from many mailboxes, a little from each.
    Snowshoe { daily: f64, from_day: u32 },
}

/// What a forwarder makes of the envelope sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The outside sender stays.
    None,
    /// The sender rewriting scheme.
    Srs,
    /// The forwarding mailbox itself is named.
    Mailbox,
}

/// How a stolen account is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theft {
    /// When, in seconds from the start.
    pub from: i64,
    /// How long, if nobody stops it.
    pub seconds: i64,
    /// Messages an hour.
    pub hourly: f64,
    /// The share that the filter refuses, and reports.
    pub refused: f64,
    /// The share of readers at reporting houses who complain.
    pub complaints: f64,
}

/// One mailbox.
#[derive(Clone, Debug)]
pub struct Person {
    pub mailbox: String,
    pub user: String,
    pub kind: Kind,
    pub thefts: Vec<Theft>,
}

/// Everybody.
pub fn people(plan: &Plan, random: &mut Rng) -> Vec<Person> {
    let span = i64::from(plan.days) * 86_400;
    let mut all: Vec<Person> = (0..plan.identities)
        .map(|n| {
            let domain = format!("customer{}.example", n / MAILBOXES);
            let mailbox = format!("box{n}@{domain}");
            let user = format!("server{}@{domain}", n / MAILBOXES);
            let kind = kind(n, random);
            let user = match kind {
                Kind::Shared { .. } => format!("192.0.2.{}@{domain}", n % 250),
                _ => user,
            };
            Person {
                mailbox,
                user,
                kind,
                thefts: Vec::new(),
            }
        })
        .collect();
    // Snowshoe: two customers in a thousand mailboxes' worth, ten mailboxes each. Assumed.
    let groups = (plan.identities / 500).max(1);
    for _ in 0..groups {
        let first = random.usize(..plan.identities.saturating_sub(10).max(1));
        let from_day = random.u32(..plan.days * 2 / 3 + 1);
        for person in all.iter_mut().skip(first).take(10) {
            if matches!(person.kind, Kind::Honest { .. }) {
                person.kind = Kind::Snowshoe {
                    daily: 80.0 + 240.0 * random.f64(),
                    from_day,
                };
            }
        }
    }
    // Stolen passwords: one mailbox in a hundred a month. Assumed; hosters count theirs in tens a day for hundreds of
    // thousands of mailboxes.
    let thefts = (plan.identities * plan.days as usize).div_ceil(100 * 30);
    let mut left = thefts;
    while left > 0 {
        let person = random.usize(..all.len());
        let free = matches!(
            all[person].kind,
            Kind::Honest { .. } | Kind::Newsletter { .. } | Kind::Shared { .. }
        );
        if !free || !all[person].thefts.is_empty() {
            continue;
        }
        let from = random.i64(0..span.max(1));
        // Four of five go full speed. Assumed.
        let fast = random.f64() < 0.8;
        let theft = match fast {
            // The vendor's own script locks at 50 refused messages in two hours; real runs pass that in minutes.
            true => Theft {
                from,
                seconds: 3_600 * random.i64(1..=8),
                hourly: 200.0 * 10f64.powf(random.f64() * 1.3),
                refused: 0.6 + 0.35 * random.f64(),
                complaints: 0.01 + 0.02 * random.f64(),
            },
            // Low and slow, below what limits of hourly volume see.
            false => Theft {
                from,
                seconds: 86_400 * random.i64(2..=10),
                hourly: 2.0 + 8.0 * random.f64(),
                refused: 0.3 + 0.4 * random.f64(),
                complaints: 0.01 + 0.02 * random.f64(),
            },
        };
        all[person].thefts.push(theft);
        left -= 1;
    }
    all
}

/// The share of each kind. Assumed, but for forwarders: so many that about nine in ten complaints are theirs.
fn kind(n: usize, random: &mut Rng) -> Kind {
    let wide = |random: &mut Rng, median: f64, spread: f64| median * (spread * gauss(random)).exp();
    match random.u32(..1_000) {
        // One in a hundred sends newsletters.
        0..10 => Kind::Newsletter {
            readers: (wide(random, 3_000.0, 1.1) as usize).clamp(200, 60_000),
            weekday: random.u32(..7),
            complaints: (wide(random, 0.000_4, 0.7)).clamp(0.000_05, 0.003),
        },
        10..50 => Kind::Forwarder {
            rewrite: match n % 10 {
                0..5 => Rewrite::Srs,
                5..8 => Rewrite::None,
                _ => Rewrite::Mailbox,
            },
            // A list of the family or the office.
            persons: if random.f64() < 0.15 { 4 } else { 1 },
            daily: wide(random, 4.0, 0.8).min(40.0),
        },
        50..70 => Kind::Shared {
            daily: wide(random, 60.0, 0.8),
        },
        _ => Kind::Honest {
            daily: wide(random, 12.0, 1.0).min(600.0),
        },
    }
}

/// A normal deviate, by the sum of twelve.
fn gauss(random: &mut Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// How many of a rare thing happen (Poisson).
pub fn poisson(mean: f64, random: &mut Rng) -> usize {
    if mean > 30.0 {
        return (mean + mean.sqrt() * gauss(random)).max(0.0).round() as usize;
    }
    let limit = (-mean).exp();
    let mut product = random.f64();
    let mut n = 0;
    while product > limit && n < 1_000 {
        product *= random.f64();
        n += 1;
    }
    n
}
