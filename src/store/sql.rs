//! Every statement of the store, once for both databases. Statements over many rows come in a few sizes, so
//! that they stay prepared; small batches, which are the usual ones, have their exact size.

use sqlx::AssertSqlSafe;
use sqlx::{SqlSafeStr, SqlStr};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

pub(super) mod desk;

/// The sizes in rows. Every power of two is among them, for `in` lists.
const SIZES: [usize; 20] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 32, 48, 64,
];
/// The largest size.
pub(super) const MOST: usize = SIZES[SIZES.len() - 1];
/// Statements that a connection keeps prepared: all sizes of all of them, and some more.
pub(super) const PREPARED: usize = 256;

/// How a statement's values are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// `$1`, `$2`.
    Numbered,
    /// `?`: SQLite looks up the name of every numbered one, going through all before it.
    Bare,
}

/// A statement with a list in its middle, whose texts are made once for each size.
#[derive(Debug)]
pub(super) struct Bulk {
    head: &'static str,
    /// Placeholders an item; 0 for bare items of an `in` list.
    columns: usize,
    tail: &'static str,
    /// The first placeholder's number.
    first: usize,
    texts: [[OnceLock<Arc<str>>; SIZES.len()]; 2],
}

impl Bulk {
    pub(super) const fn values(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self {
            head,
            columns,
            tail,
            first: 1,
            texts: [const { [const { OnceLock::new() }; SIZES.len()] }; 2],
        }
    }

    pub(super) const fn list(head: &'static str, first: usize, tail: &'static str) -> Self {
        Self {
            head,
            columns: 0,
            tail,
            first,
            texts: [const { [const { OnceLock::new() }; SIZES.len()] }; 2],
        }
    }

    /// The statement for `size` items, one of the sizes.
    pub(super) fn sized(&self, size: usize, marks: Marks) -> SqlStr {
        let slot = SIZES
            .partition_point(|known| *known < size)
            .min(SIZES.len() - 1);
        let texts = &self.texts[usize::from(marks == Marks::Bare)];
        let text = texts[slot].get_or_init(|| self.text(size, marks).into());
        AssertSqlSafe(Arc::clone(text)).into_sql_str()
    }

    fn text(&self, size: usize, marks: Marks) -> String {
        let mut sql = String::from(self.head);
        let mut number = self.first;
        for item in 0..size {
            sql.push_str(if item == 0 { "" } else { ", " });
            if self.columns == 0 {
                let _ = write!(sql, "${number}");
                number += 1;
                continue;
            }
            for column in 0..self.columns {
                let lead = if column == 0 { "(" } else { ", " };
                let _ = match marks {
                    Marks::Numbered => write!(sql, "{lead}${number}"),
                    Marks::Bare => write!(sql, "{lead}?"),
                };
                number += 1;
            }
            sql.push(')');
        }
        sql.push_str(self.tail);
        sql
    }
}

/// The next chunk of a list that is written with [`Bulk::values`]: the largest size that fits.
pub(super) fn chunk(left: usize) -> usize {
    let fitting = SIZES.partition_point(|size| *size <= left);
    SIZES[fitting.saturating_sub(1)]
}

/// Fills a short `in` list up to a power of two by naming the last item again.
pub(super) fn padded<T: Clone>(items: &[T]) -> impl Iterator<Item = T> + '_ {
    let size = items.len().next_power_of_two();
    (0..size).map(|n| items[n.min(items.len() - 1)].clone())
}

pub(super) static UPSERT_IDENTITIES: Bulk = Bulk::values(
    "insert into identities (id, value, domain, username, first_seen, last_seen, version) values ",
    7,
    " on conflict (id) do update set version = identities.version + 1, last_seen = case when \
     excluded.last_seen > identities.last_seen then excluded.last_seen else identities.last_seen end \
     returning id, version, counted_from, open_incident, cool_until, cool_by",
);
pub(super) static INSERT_REPORTS: Bulk = Bulk::values(
    "insert into reports (id, received_at, client, helo, mail_from, rcpt_to, feed, format, feedback_type, \
     source_ip, message_id, identity_id, attribution, standing, reading, proof, alias) values ",
    17,
    " on conflict (id) do nothing returning id",
);
pub(super) static INSERT_EVIDENCE: Bulk = Bulk::values(
    "insert into evidence (report_id, codec, size, bytes) values ",
    4,
    "",
);
pub(super) static INSERT_COMPLAINTS: Bulk = Bulk::values(
    "insert into complaints (id, identity_id, feed, feedback_type, message, complainant, \
     weight, may, strength, class, received_at, report_id) values ",
    12,
    " on conflict (id) do nothing returning id",
);
pub(super) static INSERT_INCIDENT_EVIDENCE: Bulk = Bulk::values(
    "insert into incident_evidence (incident_id, position, report_id) values ",
    3,
    "",
);
pub(super) static MARK_DUPLICATES: Bulk = Bulk::list(
    "update reports set standing = 'duplicate' where id in (",
    1,
    ")",
);
pub(super) static MARK_OVER_CAP: Bulk = Bulk::list(
    "update reports set standing = 'over_cap' where id in (",
    1,
    ")",
);
pub(super) static DELETE_COMPLAINTS: Bulk =
    Bulk::list("delete from complaints where id in (", 1, ")");
/// Raises what was counted in an hour, and says how much that is then.
pub(super) static COUNT_HOURS: Bulk = Bulk::values(
    "insert into feed_caps (feed, subject, hour, counted) values ",
    4,
    " on conflict (feed, subject, hour) do update set counted = feed_caps.counted + excluded.counted \
     returning feed, subject, hour, counted",
);
pub(super) static INSERT_UNPROVEN: Bulk = Bulk::values(
    "insert into unproven (report_id, received_at, not_before, attempts, arrival) values ",
    5,
    "",
);
macro_rules! claim_unproven {
    ($skip:literal) => {
        concat!(
            "update unproven set attempts = attempts + 1, lease_token = $1, lease_until = $2 \
             where report_id = (select report_id from unproven where not_before <= $3 and \
             (lease_until is null or lease_until <= $3) order by not_before, report_id limit 1 ",
            $skip,
            ") and not_before <= $3 and (lease_until is null or lease_until <= $3) \
             returning report_id, received_at, attempts, arrival"
        )
    };
}
/// Used where there is only one writer.
pub(super) const CLAIM_UNPROVEN: &str = claim_unproven!("");
/// As [`CLAIM_UNPROVEN`], passing over what others hold.
pub(super) const CLAIM_UNPROVEN_SKIPPING: &str = claim_unproven!("for update skip locked");
pub(super) const RELEASE_UNPROVEN: &str = "update unproven set not_before = $3, lease_token = null, \
     lease_until = null where report_id = $1 and lease_token = $2";
pub(super) const END_UNPROVEN: &str =
    "delete from unproven where report_id = $1 and lease_token = $2";
pub(super) const RETELL_PROOF: &str = "update reports set proof = $2 where id = $1";
pub(super) const JUDGE_REPORT: &str = "update reports set feed = $2, identity_id = $3, attribution = $4, \
     standing = $5, reading = $6, proof = $7, alias = $8 where id = $1 and standing = 'pending'";
pub(super) const NEXT_UNPROVEN: &str = "select min(case when lease_until is not null and \
     lease_until > not_before then lease_until else not_before end), count(*) from unproven";
pub(super) const FORGET_HOURS: &str = "delete from feed_caps where hour < $1";
pub(super) static ADD_HEALTH: Bulk = Bulk::values(
    "insert into feed_health (feed, hour, last_seen, filed, readable, attributed, counted, unproven) values ",
    8,
    " on conflict (feed, hour) do update set last_seen = case when excluded.last_seen > \
     feed_health.last_seen then excluded.last_seen else feed_health.last_seen end, \
     filed = feed_health.filed + excluded.filed, readable = feed_health.readable + excluded.readable, \
     attributed = feed_health.attributed + excluded.attributed, counted = feed_health.counted + \
     excluded.counted, unproven = feed_health.unproven + excluded.unproven",
);
/// What is older than a week goes, but for each feed's newest hour, which says when it was last seen.
pub(super) const FORGET_HEALTH: &str = "delete from feed_health where hour < $1 and exists (select 1 from \
     feed_health n where n.feed = feed_health.feed and n.hour > feed_health.hour)";
/// One row a feed: when it was last heard of, and its sums since an hour.
pub(super) const FEED_HEALTH: &str = "select feed, max(last_seen), \
     cast(sum(case when hour >= $1 then filed else 0 end) as bigint), \
     cast(sum(case when hour >= $1 then readable else 0 end) as bigint), \
     cast(sum(case when hour >= $1 then attributed else 0 end) as bigint), \
     cast(sum(case when hour >= $1 then counted else 0 end) as bigint), \
     cast(sum(case when hour >= $1 then unproven else 0 end) as bigint) \
     from feed_health group by feed order by feed limit 10000";
pub(super) static SELECT_STANDINGS: Bulk =
    Bulk::list("select id, standing from reports where id in (", 1, ")");
/// The newest complaints of an identity after an instant; the newest first.
pub(super) const SELECT_WINDOW: &str = "select id, report_id, identity_id, feed, feedback_type, message, \
     complainant, weight, may, strength, class, received_at from complaints where identity_id = $1 and received_at > $2 \
     order by received_at desc, id desc limit $3";
const CLAIM_HEAD: &str = "update lock_orders set attempts = attempts + 1, lease_token = $1, \
     lease_until = $2 where id = (select o.id from lock_orders o where o.state = 'pending' and \
     o.not_before <= $3 and (o.lease_until is null or o.lease_until <= $3) and (o.action = 'release' or \
     not exists (select 1 from switches where name = 'locks' and state = 'paused')) and not exists (select 1 \
     from lock_orders x where x.identity_id = o.identity_id and x.target = o.target and x.id <> o.id and \
     x.lease_until > $3) and o.target in (";

macro_rules! claim_tail {
    ($skip:literal) => {
        concat!(
            ") order by o.not_before, o.ordered_at, o.id limit 1 ",
            $skip,
            ") and state = 'pending' and not_before <= $3 \
             and (lease_until is null or lease_until <= $3) returning id"
        )
    };
}

/// Used where there is only one writer.
pub(super) static CLAIM: Bulk = Bulk::list(CLAIM_HEAD, 4, claim_tail!(""));
/// As [`CLAIM`], passing over what others hold.
pub(super) static CLAIM_SKIPPING: Bulk =
    Bulk::list(CLAIM_HEAD, 4, claim_tail!("for update skip locked"));
/// An order is due once its time has come, its lease has run out, and so have the leases on other orders for the
/// same identity at the same target.
pub(super) static NEXT_DUE: Bulk = Bulk::list(
    "select min(case when leased > not_before then leased else not_before end) from (select o.not_before, \
     coalesce((select max(x.lease_until) from lock_orders x where x.identity_id = o.identity_id and \
     x.target = o.target), 0) as leased from lock_orders o where o.state = 'pending' and \
     (o.action = 'release' or not exists (select 1 from switches where name = 'locks' and \
     state = 'paused')) and o.target in (",
    1,
    ")) as due",
);

/// Whether a rule's crossing by an identity was recorded after an instant.
pub(super) const RECORDED: &str = "select opened_at from incidents where identity_id = $1 and rule = $2 and \
     opened_at > $3 and state = 'observed' order by opened_at desc limit 1";
/// Holds and locks that rules ordered after an instant.
pub(super) const COUNT_LOCKS: &str = "select count(*) from incidents where ordered_at > $1 and \
     state not in ('observed', 'held')";
/// Takes the switch's row lock.
pub(super) const HOLD_SWITCH: &str =
    "update switches set state = state where name = 'locks' returning state, at, actor, reason";
pub(super) const SWITCH: &str =
    "select state, at, actor, reason from switches where name = 'locks'";
pub(super) const SET_SWITCH: &str = "update switches set state = $1, at = $2, actor = $3, reason = $4 \
     where name = 'locks' and state <> $1";
pub(super) const INSERT_FIRST_SEEN: &str = "insert into first_seen (kind, name, shape, at) values \
     ($1, $2, $3, $4) on conflict (kind, name, shape) do nothing";
pub(super) const FIRST_SEEN: &str =
    "select at from first_seen where kind = $1 and name = $2 and shape = $3";
pub(super) const SETTLE: &str = "update lock_orders set state = $3, last_answer = $4, \
     settled_at = $5, not_before = coalesce($6, not_before), lease_token = null, lease_until = null \
     where id = $1 and lease_token = $2 and state = 'pending'";
/// A try of an order that was taken back meanwhile is over.
pub(super) const END_LEASE: &str = "update lock_orders set lease_token = null, lease_until = null \
     where id = $1 and lease_token = $2";

macro_rules! select_order {
    ($rest:literal) => {
        concat!(
            "select o.id, o.incident_id, i.value, i.domain, i.username, o.action, o.subject, o.target, o.reason, \
             o.ordered_at, o.attempts, o.state, o.not_before, o.last_answer, o.settled_at \
             from lock_orders o join identities i on i.id = o.identity_id ",
            $rest
        )
    };
}
pub(super) const ORDER: &str = select_order!("where o.id = $1");
pub(super) const ORDERS_OF: &str =
    select_order!("where o.incident_id = $1 order by o.ordered_at, o.target, o.id limit 10000");
pub(super) const ORDERS: &str = select_order!("order by o.ordered_at desc, o.id limit $1");
pub(super) const ORDER_COUNTS: &str = "select state, count(*) from lock_orders group by state";
pub(super) const WAITING: &str =
    "select target, count(*) from lock_orders where state = 'pending' group by target";
pub(super) const INCIDENTS: &str = "select n.id, i.value, i.domain, i.username, n.state, n.opened_at, \
     n.explanation from incidents n join identities i on i.id = n.identity_id \
     order by n.opened_at desc, n.id limit $1";
pub(super) const OPEN_INCIDENTS: &str = "select n.id, i.value, i.domain, i.username, n.state, \
     n.opened_at, n.explanation from incidents n join identities i on i.open_incident = n.id \
     where i.value = $1 order by n.opened_at desc, n.id limit $2";
pub(super) const EVIDENCE: &str = "select codec, size, bytes from evidence where report_id = $1";
pub(super) const PING: &str = "select 1 from reports limit 1";

/// Every statement, for a test that prepares them all, as PostgreSQL gets them (`skipping`) or SQLite.
pub fn all(skipping: bool) -> Vec<String> {
    let claim = if skipping { &CLAIM_SKIPPING } else { &CLAIM };
    let marks = if skipping {
        Marks::Numbered
    } else {
        Marks::Bare
    };
    let bulks = [
        &UPSERT_IDENTITIES,
        &INSERT_REPORTS,
        &INSERT_EVIDENCE,
        &INSERT_COMPLAINTS,
        &INSERT_INCIDENT_EVIDENCE,
        &MARK_DUPLICATES,
        &MARK_OVER_CAP,
        &DELETE_COMPLAINTS,
        &COUNT_HOURS,
        &INSERT_UNPROVEN,
        &ADD_HEALTH,
        &SELECT_STANDINGS,
        &NEXT_DUE,
        claim,
    ];
    let unproven = match skipping {
        true => CLAIM_UNPROVEN_SKIPPING,
        false => CLAIM_UNPROVEN,
    };
    let plain = [
        unproven,
        RELEASE_UNPROVEN,
        END_UNPROVEN,
        RETELL_PROOF,
        JUDGE_REPORT,
        NEXT_UNPROVEN,
        FORGET_HOURS,
        FORGET_HEALTH,
        FEED_HEALTH,
        RECORDED,
        COUNT_LOCKS,
        HOLD_SWITCH,
        SWITCH,
        SET_SWITCH,
        INSERT_FIRST_SEEN,
        FIRST_SEEN,
        WAITING,
        OPEN_INCIDENTS,
        SELECT_WINDOW,
        SETTLE,
        END_LEASE,
        ORDER,
        ORDERS,
        ORDERS_OF,
        ORDER_COUNTS,
        INCIDENTS,
        EVIDENCE,
        PING,
    ];
    bulks
        .into_iter()
        .chain(desk::bulks())
        .chain(super::life_sql::BULKS)
        .flat_map(|bulk| [1, 2, MOST].map(|size| bulk.sized(size, marks).as_str().to_owned()))
        .chain(plain.map(str::to_owned))
        .chain(desk::PLAIN.map(str::to_owned))
        .chain(super::archive::ALL.map(str::to_owned))
        .chain(super::life_sql::PLAIN.map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let insert = Bulk::values("values ", 2, ";");
        assert_eq!(
            insert.sized(2, Marks::Numbered).as_str(),
            "values ($1, $2), ($3, $4);"
        );
        let list = Bulk::list("in (", 3, ")");
        assert_eq!(
            insert.sized(2, Marks::Bare).as_str(),
            "values (?, ?), (?, ?);"
        );
        assert_eq!(list.sized(4, Marks::Bare).as_str(), "in ($3, $4, $5, $6)");
    }

    #[test]
    fn sizes() {
        let chunks = |mut left: usize| {
            let mut sizes = vec![];
            while left > 0 {
                sizes.push(chunk(left));
                left -= chunk(left);
            }
            sizes
        };
        assert_eq!(chunks(1), [1]);
        assert_eq!(chunks(10), [10]);
        assert_eq!(chunks(23), [16, 7]);
        assert_eq!(chunks(200), [64, 64, 64, 8]);
        assert!((0..7).all(|n| SIZES.contains(&(1 << n))), "for the lists");
    }
}
