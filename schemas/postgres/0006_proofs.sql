-- What was found out for a report's proof (JSON): signatures, policies, and why it is not proven.
alter table reports add column proof text;

-- The most that the complaint's feed may cause alone.
alter table complaints add column may text not null default 'lock';

-- Reports whose feed could not be told for want of DNS: tried again from the kept bytes.
create table unproven (
    report_id   uuid    not null primary key references reports (id) on delete cascade,
    received_at bigint  not null,
    not_before  bigint  not null,
    attempts    bigint  not null,
    lease_token uuid,
    lease_until bigint,
    arrival     text    not null  -- JSON: what SMTP told
);
create index unproven_due on unproven (not_before);

-- Complaints of feeds that have a cap, by hour since 1970.
create table feed_caps (
    feed    text   not null,
    subject uuid   not null,      -- an identity, or all zeroes for all together
    hour    bigint not null,
    counted bigint not null,
    primary key (feed, subject, hour)
);
create index feed_caps_by_hour on feed_caps (hour);

-- What came from each feed, by hour since 1970.
create table feed_health (
    feed       text   not null,
    hour       bigint not null,
    last_seen  bigint not null,
    filed      bigint not null,
    readable   bigint not null,
    attributed bigint not null,
    counted    bigint not null,
    unproven   bigint not null,   -- claimed to be from it, by a part of its proof
    primary key (feed, hour)
);
