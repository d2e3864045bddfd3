-- What was found out for a report's proof (JSON): signatures, policies, and why it is not proven.
alter table reports add column proof text;

-- The most that the complaint's feed may cause alone.
alter table complaints add column may text not null default 'lock';

-- Reports whose feed could not be told for want of DNS: tried again from the kept bytes.
create table unproven (
    report_id   blob    not null primary key references reports (id) on delete cascade,
    received_at integer not null,
    not_before  integer not null,
    attempts    integer not null,
    lease_token blob,
    lease_until integer,
    arrival     text    not null  -- JSON: what SMTP told
) strict;
create index unproven_due on unproven (not_before);

-- Complaints of feeds that have a cap, by hour since 1970.
create table feed_caps (
    feed    text   not null,
    subject blob   not null,      -- an identity, or all zeroes for all together
    hour    integer not null,
    counted integer not null,
    primary key (feed, subject, hour)
) strict, without rowid;
create index feed_caps_by_hour on feed_caps (hour);

-- What came from each feed, by hour since 1970.
create table feed_health (
    feed       text   not null,
    hour       integer not null,
    last_seen  integer not null,
    filed      integer not null,
    readable   integer not null,
    attributed integer not null,
    counted    integer not null,
    unproven   integer not null,   -- claimed to be from it, by a part of its proof
    primary key (feed, hour)
) strict, without rowid;
