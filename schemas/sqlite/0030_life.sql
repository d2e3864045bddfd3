-- How far an incident goes, how it ends, and by whom.
alter table incidents add column step text not null default 'lock';
alter table incidents add column round integer not null default 1;   -- of its orders
alter table incidents add column ordered_at integer;                 -- when it last ordered a hold or lock
alter table incidents add column timeout integer;                    -- seconds a hold or lock lasts
alter table incidents add column ends_at integer;                    -- when it is to end by itself
alter table incidents add column ended_by text;                      -- hand, timeout, target
alter table incidents add column ended_at integer;
alter table incidents add column cool_down integer not null default 0; -- seconds, once released
update incidents set ordered_at = opened_at;
drop index incidents_one_open;
create unique index incidents_one_open on incidents (identity_id)
    where state in ('open', 'holding', 'held', 'locked', 'releasing', 'refused');
create index incidents_ending on incidents (ends_at) where state in ('holding', 'locked');
create index incidents_by_order on incidents (ordered_at);

-- Until then a crossing is not locked at once, because a lock was ended.
alter table identities add column cool_until integer;
alter table identities add column cool_by text;

alter table lock_orders add column round integer not null default 1;
-- One try at a time for one identity at one target.
create index lock_orders_leased on lock_orders (identity_id) where lease_until is not null;
update lock_orders set state = 'cancelled' where state = 'refused' and last_answer like 'the incident was closed: %';

-- The audit chain. Entries from before it are put into it at the first start.
alter table audit add column number integer;
alter table audit add column digest blob;
create unique index audit_by_number on audit (number);
create index audit_by_incident on audit (incident_id);
create table audit_head (
    name   text    not null primary key,
    number integer not null,
    digest blob    not null
) strict, without rowid;
insert into audit_head (name, number, digest)
    values ('audit', 0, x'0000000000000000000000000000000000000000000000000000000000000000');
drop trigger audit_keeps;
create trigger audit_keeps before update on audit when old.digest is not null
begin
    select raise(abort, 'the audit table is append-only');
end;
create trigger audit_is_chained before insert on audit when new.digest is null
begin
    select raise(abort, 'every audit entry belongs to the chain');
end;
