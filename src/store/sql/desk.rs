//! Statements of the desk's own work: looking through reports, naming senders by hand, what was learnt from it, and
//! customers' accounts.

use super::Bulk;

macro_rules! select_report {
    ($rest:literal) => {
        concat!(
            "select id, received_at, client, feed, format, feedback_type, standing, proof, attribution, alias, \
             reading from reports ",
            $rest
        )
    };
}
pub(in crate::store) const REPORTS: &str = select_report!("order by received_at desc, id limit $1");
pub(in crate::store) const REPORT: &str = select_report!("where id = $1");
/// Those that fit: each of standing, feed and identity may be null for any.
pub(in crate::store) const FIND_REPORTS: &str = select_report!(
    "where received_at >= $1 and (cast($2 as text) is null or standing = $2) \
     and (cast($3 as text) is null or feed = $3) \
     and (cast($4 as text) is null or attribution like $4 escape '\\' or alias like $4 escape '\\') \
     order by received_at desc, id limit $5"
);
pub(in crate::store) const UNATTRIBUTED: &str = select_report!(
    "where standing in ('unattributed', 'shared') and received_at >= $1 order by received_at desc, id limit $2"
);
pub(in crate::store) const ATTRIBUTE_REPORT: &str = "update reports set identity_id = $2, \
     attribution = $3, alias = $4, standing = $5 where id = $1 and standing in ('unattributed', 'shared')";
/// Held and read again within a transaction.
pub(in crate::store) const HOLD_REPORT: &str =
    "update reports set standing = standing where id = $1 returning standing, attribution";
pub(in crate::store) const INSERT_LEARNT: &str = "insert into learnt (id, feed, choice, value, identity, \
     domain, username, report_id, at, actor, reason) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
     on conflict do nothing";
macro_rules! select_learnt {
    ($rest:literal) => {
        concat!(
            "select id, feed, choice, value, identity, domain, username, report_id, at, actor, reason, \
             forgotten_at, forgotten_by, forgotten_why from learnt ",
            $rest
        )
    };
}
pub(in crate::store) const LEARNT_KEY: &str =
    select_learnt!("where feed = $1 and choice = $2 and value = $3 and forgotten_at is null");
pub(in crate::store) const LEARNT: &str = select_learnt!("order by at desc, id limit $1");
pub(in crate::store) const LEARNT_IN_FORCE: &str =
    select_learnt!("where forgotten_at is null order by at, id limit $1");
/// Both only grow, so equal numbers are equal rows.
pub(in crate::store) const LEARNT_VERSION: &str =
    "select count(*), count(forgotten_at) from learnt";
/// In force in all, and header names of a feed without one.
pub(in crate::store) const LEARNT_ROOM: &str = "select count(*), count(distinct case when feed = $1 and \
     choice like 'header:%' and choice <> $2 then choice end) from learnt where forgotten_at is null";
pub(in crate::store) const FORGET: &str = "update learnt set forgotten_at = $2, forgotten_by = $3, \
     forgotten_why = $4 where id = $1 and forgotten_at is null";
pub(in crate::store) static REMEMBER_ACCOUNTS: Bulk = Bulk::values(
    "insert into accounts (identity_id, account, contact, at) values ",
    4,
    " on conflict (identity_id) do update set account = excluded.account, contact = excluded.contact, \
     at = excluded.at where coalesce(accounts.account, '') <> coalesce(excluded.account, '') or \
     coalesce(accounts.contact, '') <> coalesce(excluded.contact, '')",
);
pub(in crate::store) const ACCOUNT: &str =
    "select account, contact, at from accounts where identity_id = $1";

/// Those over many rows.
pub(super) fn bulks() -> [&'static Bulk; 1] {
    [&REMEMBER_ACCOUNTS]
}

/// The others.
pub(super) const PLAIN: [&str; 14] = [
    REPORTS,
    REPORT,
    FIND_REPORTS,
    UNATTRIBUTED,
    ATTRIBUTE_REPORT,
    HOLD_REPORT,
    INSERT_LEARNT,
    LEARNT_KEY,
    LEARNT,
    LEARNT_IN_FORCE,
    LEARNT_VERSION,
    LEARNT_ROOM,
    FORGET,
    ACCOUNT,
];
