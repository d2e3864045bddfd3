-- A crossing may be held for a person: it is as open as a lock.
drop index incidents_one_open;
create unique index incidents_one_open on incidents (identity_id)
    where state in ('open', 'held', 'locked', 'refused');
alter table incidents add column rule text;
create index incidents_by_identity on incidents (identity_id, opened_at);

-- What the desk switches by hand. The row is also what crossings take in turn, so that a budget is kept
-- exactly by any number of nodes.
create table switches (
    name   text    not null primary key,
    state  text    not null,
    at     integer not null,
    actor  text    not null,
    reason text    not null
) strict, without rowid;
insert into switches (name, state, at, actor, reason) values ('locks', 'on', 0, '', '');

-- When rules and feeds were first seen, so that new ones are on trial.
create table first_seen (
    kind  text    not null,
    name  text    not null,
    shape text    not null,
    at    integer not null,
    primary key (kind, name, shape)
) strict, without rowid;
