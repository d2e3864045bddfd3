-- Times are microseconds since 1970 UTC. Identifiers are 16 bytes.

create table reports (
    id            uuid    not null primary key,
    received_at   bigint  not null,
    client        text    not null,
    helo          text    not null,
    mail_from     text    not null,
    rcpt_to       text    not null, -- JSON array
    feed          text,
    format        text    not null,
    feedback_type text,
    source_ip     text,
    message_id    text,
    identity_id   uuid,             -- whom it names, whether it counted or not
    attribution   text    not null, -- JSON
    standing      text    not null,
    reading       text    not null  -- JSON
);
create index reports_by_time on reports (received_at);

-- Apart from the reports: the bodies can go earlier than what is known of them.
create table evidence (
    report_id uuid    not null primary key references reports (id) on delete cascade,
    codec     text    not null,
    size      bigint  not null,     -- octets before compression
    bytes     bytea   not null
);

-- They are compressed already.
alter table evidence alter column bytes set storage external;

create table identities (
    id            uuid    not null primary key,
    value         text    not null,
    domain        text,
    username      text,
    first_seen    bigint  not null,
    last_seen     bigint  not null,
    version       bigint  not null, -- grows with each batch that has a complaint about it
    counted_from  bigint,           -- complaints up to that instant are spent
    open_incident uuid              -- kept in step with incidents
);

create table complaints (
    id            uuid    not null primary key,
    identity_id   uuid    not null references identities (id),
    feed          text    not null,
    feedback_type text    not null,
    message       uuid    not null,
    complainant   uuid    not null,
    weight        bigint  not null,
    received_at   bigint  not null,
    report_id     uuid    not null references reports (id)
);
create index complaints_by_identity on complaints (identity_id, received_at);

create table incidents (
    id          uuid    not null primary key,
    identity_id uuid    not null references identities (id),
    state       text    not null,
    opened_at   bigint  not null,
    explanation text    not null    -- JSON
);
create unique index incidents_one_open on incidents (identity_id)
    where state in ('open', 'locked', 'refused');
create index incidents_by_time on incidents (opened_at);

create table incident_evidence (
    incident_id uuid    not null references incidents (id),
    position    bigint  not null,
    report_id   uuid    not null references reports (id),
    primary key (incident_id, position)
);

create table lock_orders (
    id          uuid    not null primary key,
    incident_id uuid    not null references incidents (id),
    identity_id uuid    not null references identities (id),
    target      text    not null,
    state       text    not null,
    reason      text    not null,
    attempts    bigint  not null,
    not_before  bigint  not null,
    lease_token uuid,
    lease_until bigint,
    last_answer text,
    ordered_at  bigint  not null,
    settled_at  bigint
);
create index lock_orders_due on lock_orders (not_before) where state = 'pending';
create index lock_orders_by_incident on lock_orders (incident_id);
create index lock_orders_by_time on lock_orders (ordered_at);

create table audit (
    seq         bigint generated always as identity primary key,
    at          bigint not null,
    actor       text   not null,
    action      text   not null,
    incident_id uuid,
    order_id    uuid,
    detail      text   not null
);
create function audit_keeps() returns trigger language plpgsql as $$
begin
    raise exception 'the audit table is append-only';
end
$$;
create trigger audit_keeps before update or delete on audit
    for each statement execute function audit_keeps();
