//! The statements of incidents' lives and of the audit chain, once for both databases.

use super::sql::Bulk;

macro_rules! incident_columns {
    () => {
        "id, identity_id, state, step, round, opened_at, timeout, ends_at, ended_by, cool_down"
    };
}

/// Takes the row lock of an incident's identity, which comes before the incident's own, as everywhere.
pub(super) const HOLD_OWNER: &str = "update identities set open_incident = open_incident \
     where id = (select identity_id from incidents where id = $1) returning id";
pub(super) const INCIDENT: &str = concat!(
    "select ",
    incident_columns!(),
    " from incidents where id = $1"
);
pub(super) static OPEN_INCIDENTS_OF: Bulk = Bulk::list(
    concat!(
        "select ",
        incident_columns!(),
        " from incidents where id in ("
    ),
    1,
    ")",
);
pub(super) const INSERT_INCIDENT: &str = "insert into incidents (id, identity_id, state, opened_at, \
     explanation, rule, step, round, timeout, ordered_at) values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)";
pub(super) const UPDATE_INCIDENT: &str = "update incidents set state = $2, step = $3, round = $4, \
     ends_at = $5, ended_by = $6, ended_at = $7, cool_down = $8 where id = $1";
pub(super) const ESCALATE_INCIDENT: &str = "update incidents set explanation = $2, rule = $3, \
     timeout = $4, ordered_at = $5 where id = $1";
pub(super) const EXPLANATION: &str = "select explanation from incidents where id = $1";
pub(super) const EVIDENCE_OF: &str =
    "select report_id from incident_evidence where incident_id = $1 order by position";
/// What is left as it is comes as null, but for the open incident.
pub(super) const UPDATE_IDENTITY: &str = "update identities set open_incident = $2, \
     counted_from = coalesce($3, counted_from), cool_until = coalesce($4, cool_until), \
     cool_by = coalesce($5, cool_by) where id = $1";
/// How many locks of an identity ended by timeout since an instant and since the last end by anybody else.
pub(super) const TIMEOUTS_BEFORE: &str = "select count(*) from incidents where identity_id = $1 and \
     ended_by = 'timeout' and ended_at > $2 and ended_at > coalesce((select max(ended_at) from incidents \
     where identity_id = $1 and ended_by in ('hand', 'target')), 0)";

pub(super) const INSERT_ORDER: &str = "insert into lock_orders (id, incident_id, identity_id, action, \
     subject, target, state, reason, attempts, not_before, ordered_at, settled_at, round) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, $12)";
/// A try that is under way keeps its lease: until it is over nothing else is tried for this identity there.
pub(super) const CANCEL_ORDERS: &str = "update lock_orders set state = 'cancelled', last_answer = $2, \
     settled_at = $3 where incident_id = $1 and state in ('pending', 'held')";
pub(super) const SEND_HELD: &str = "update lock_orders set state = 'pending', ordered_at = $2, \
     not_before = $2, settled_at = null where incident_id = $1 and state = 'held'";
/// Where a hold or lock of an incident may be in effect: a try was begun, or it was found there.
pub(super) const IN_EFFECT: &str = "select distinct target, subject from lock_orders where \
     incident_id = $1 and action in ('hold', 'lock') and (attempts > 0 or state = 'done') order by target";
/// How many orders of a round are not carried out.
pub(super) const NOT_DONE: &str = "select count(*) from lock_orders where incident_id = $1 and \
     round = $2 and state <> 'done'";
/// The hold or lock whose time is up longest.
pub(super) const ENDING: &str = "select id from incidents where ends_at <= $1 and \
     state in ('holding', 'locked') order by ends_at, id limit 1";
pub(super) const NEXT_ENDING: &str =
    "select min(ends_at) from incidents where state in ('holding', 'locked')";

/// The condition is that of an index.
pub(super) const INCIDENT_COUNTS: &str = "select state, count(*) from incidents where state in \
     ('open', 'holding', 'held', 'locked', 'releasing', 'refused') group by state";

/// Makes the row of who is locked without a complaint, and takes its lock.
pub(super) const HOLD_IDENTITY: &str = "insert into identities (id, value, domain, username, first_seen, \
     last_seen, version) values ($1, $2, $3, $4, $5, $5, 1) on conflict (id) do update set \
     open_incident = identities.open_incident returning open_incident";
pub(super) const SET_TIMEOUT: &str = "update incidents set timeout = $2 where id = $1";
pub(super) const SET_ROUND: &str = "update incidents set round = $2 where id = $1";
pub(super) const DETAIL: &str = "select i.value, i.domain, i.username, n.state, n.step, n.opened_at, \
     n.ends_at, n.ended_by, n.ended_at, n.explanation from incidents n join identities i on \
     i.id = n.identity_id where n.id = $1";
pub(super) const REPORTS_OF: &str = "select r.id, r.received_at, r.client, r.feed, r.format, \
     r.feedback_type, r.standing, r.proof, r.attribution, r.alias, r.reading from incident_evidence e \
     join reports r on r.id = e.report_id where e.incident_id = $1 order by e.position limit $2";
pub(super) const COUNT_EVIDENCE: &str =
    "select count(*) from incident_evidence where incident_id = $1";
/// The open one of an identity of that name comes before the others.
pub(super) const INCIDENTS_ABOUT: &str = "select n.id, i.value, i.domain, i.username, n.state, n.opened_at, \
     n.explanation from incidents n join identities i on i.id = n.identity_id where i.value = $1 \
     order by case when i.open_incident = n.id then 0 else 1 end, n.opened_at desc, n.id limit $2";
/// What was ordered of whom at a target, by incident: open ones, those that ended after an instant, and those that
/// ended without a release.
pub(super) const KNOWN_AT: &str = "select o.identity_id, n.id, n.state, i.value, i.domain, i.username, o.subject, \
     sum(case when o.state in ('pending', 'held') or o.lease_until > $2 then 1 else 0 end), \
     max(case when o.settled_at > o.ordered_at then o.settled_at else o.ordered_at end), \
     max(case when o.state = 'done' and o.action in ('hold', 'lock') then o.round else 0 end), \
     max(case when (o.state = 'done' or o.attempts > 0) and o.action in ('hold', 'lock') then o.round else 0 end), \
     max(case when o.state = 'done' and o.action = 'release' then o.round else 0 end), \
     max(case when o.state = 'done' and o.action = 'lock' then o.round else 0 end) \
     from lock_orders o join incidents n on n.id = o.incident_id join identities i on i.id = o.identity_id \
     where o.target = $1 and (n.state in ('open', 'holding', 'held', 'locked', 'releasing', 'refused', \
     'closed', 'expired') or (n.state = 'released' and n.ended_at > $3)) \
     group by o.identity_id, n.id, n.state, i.value, i.domain, i.username, o.subject limit 500000";
/// The domains that complaints came about after an instant, the latest first.
pub(super) const RECENT_DOMAINS: &str = "select domain from identities where domain is not null and \
     last_seen > $1 group by domain order by max(last_seen) desc, domain limit $2";
/// A hold or lock that was found at a target stands as an order that is done.
pub(super) const INSERT_FOUND: &str = "insert into lock_orders (id, incident_id, identity_id, action, subject, \
     target, state, reason, attempts, not_before, ordered_at, settled_at, round) \
     values ($1, $2, $3, 'lock', $4, $5, 'done', $6, 0, $7, $7, $7, 1)";

pub(super) const HOLD_HEAD: &str =
    "update audit_head set number = number where name = 'audit' returning number, digest";
pub(super) const HEAD: &str = "select number, digest from audit_head where name = 'audit'";
pub(super) const SET_HEAD: &str =
    "update audit_head set number = $1, digest = $2 where name = 'audit'";
pub(super) static INSERT_AUDIT: Bulk = Bulk::values(
    "insert into audit (at, actor, action, incident_id, order_id, detail, number, digest) values ",
    8,
    "",
);
macro_rules! select_audit {
    ($rest:literal) => {
        concat!(
            "select number, at, actor, action, incident_id, order_id, detail, digest from audit ",
            $rest
        )
    };
}
pub(super) const AUDIT_AFTER: &str =
    select_audit!("where number > $1 and number <= $2 order by number limit $3");
pub(super) const AUDIT_NEWEST: &str =
    select_audit!("where number is not null order by number desc limit $1");
pub(super) const AUDIT_OF: &str =
    select_audit!("where incident_id = $1 and number is not null order by number limit $2");
pub(super) const OUTSIDE_CHAIN: &str =
    "select count(*) from audit where number is null or digest is null";
pub(super) const UNCHAINED: &str = "select seq, at, actor, action, incident_id, order_id, detail \
     from audit where digest is null order by seq limit 500";
pub(super) const CHAIN_OLD: &str =
    "update audit set number = $2, digest = $3 where seq = $1 and digest is null";

/// For the test that prepares them all.
pub(super) static BULKS: [&Bulk; 2] = [&OPEN_INCIDENTS_OF, &INSERT_AUDIT];
/// For the test that prepares them all.
pub(super) const PLAIN: [&str; 36] = [
    HOLD_OWNER,
    INCIDENT,
    INSERT_INCIDENT,
    UPDATE_INCIDENT,
    ESCALATE_INCIDENT,
    EXPLANATION,
    EVIDENCE_OF,
    UPDATE_IDENTITY,
    TIMEOUTS_BEFORE,
    INSERT_ORDER,
    CANCEL_ORDERS,
    SEND_HELD,
    IN_EFFECT,
    NOT_DONE,
    ENDING,
    NEXT_ENDING,
    INCIDENT_COUNTS,
    HOLD_IDENTITY,
    SET_TIMEOUT,
    SET_ROUND,
    DETAIL,
    REPORTS_OF,
    COUNT_EVIDENCE,
    INCIDENTS_ABOUT,
    KNOWN_AT,
    RECENT_DOMAINS,
    INSERT_FOUND,
    HOLD_HEAD,
    HEAD,
    SET_HEAD,
    AUDIT_AFTER,
    AUDIT_NEWEST,
    AUDIT_OF,
    OUTSIDE_CHAIN,
    UNCHAINED,
    CHAIN_OLD,
];
