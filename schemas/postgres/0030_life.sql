-- How far an incident goes, how it ends, and by whom.
alter table incidents add column step text not null default 'lock';
alter table incidents add column round bigint not null default 1;    -- of its orders
alter table incidents add column ordered_at bigint;                  -- when it last ordered a hold or lock
alter table incidents add column timeout bigint;                     -- seconds a hold or lock lasts
alter table incidents add column ends_at bigint;                     -- when it is to end by itself
alter table incidents add column ended_by text;                      -- hand, timeout, target
alter table incidents add column ended_at bigint;
alter table incidents add column cool_down bigint not null default 0; -- seconds, once released
update incidents set ordered_at = opened_at;
drop index incidents_one_open;
create unique index incidents_one_open on incidents (identity_id)
    where state in ('open', 'holding', 'held', 'locked', 'releasing', 'refused');
create index incidents_ending on incidents (ends_at) where state in ('holding', 'locked');
create index incidents_by_order on incidents (ordered_at);

-- Until then a crossing is not locked at once, because a lock was ended.
alter table identities add column cool_until bigint;
alter table identities add column cool_by text;

alter table lock_orders add column round bigint not null default 1;
-- One try at a time for one identity at one target.
create index lock_orders_leased on lock_orders (identity_id) where lease_until is not null;
update lock_orders set state = 'cancelled' where state = 'refused' and last_answer like 'the incident was closed: %';

-- The audit chain. Entries from before it are put into it at the first start.
alter table audit add column number bigint;
alter table audit add column digest bytea;
create unique index audit_by_number on audit (number);
create index audit_by_incident on audit (incident_id);
create table audit_head (
    name   text   not null primary key,
    number bigint not null,
    digest bytea  not null
);
insert into audit_head (name, number, digest) values ('audit', 0, decode(repeat('00', 32), 'hex'));
drop trigger audit_keeps on audit;
create trigger audit_keeps before update on audit
    for each row when (old.digest is not null) execute function audit_keeps();
create trigger audit_keeps_all before delete or truncate on audit
    for each statement execute function audit_keeps();
create function audit_is_chained() returns trigger language plpgsql as $$
begin
    raise exception 'every audit entry belongs to the chain';
end
$$;
create trigger audit_is_chained before insert on audit
    for each row when (new.digest is null) execute function audit_is_chained();
