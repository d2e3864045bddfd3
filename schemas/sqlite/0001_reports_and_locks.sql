-- Times are microseconds since 1970 UTC. Identifiers are 16 bytes.

create table reports (
    id            blob    not null primary key,
    received_at   integer not null,
    client        text    not null,
    helo          text    not null,
    mail_from     text    not null,
    rcpt_to       text    not null, -- JSON array
    feed          text,
    format        text    not null,
    feedback_type text,
    source_ip     text,
    message_id    text,
    identity_id   blob,             -- whom it names, whether it counted or not
    attribution   text    not null, -- JSON
    standing      text    not null,
    reading       text    not null  -- JSON
) strict;
create index reports_by_time on reports (received_at);

-- Apart from the reports: the bodies can go earlier than what is known of them.
create table evidence (
    report_id blob    not null primary key references reports (id) on delete cascade,
    codec     text    not null,
    size      integer not null,     -- octets before compression
    bytes     blob    not null
) strict;

create table identities (
    id            blob    not null primary key,
    value         text    not null,
    domain        text,
    username      text,
    first_seen    integer not null,
    last_seen     integer not null,
    version       integer not null, -- grows with each batch that has a complaint about it
    counted_from  integer,          -- complaints up to that instant are spent
    open_incident blob              -- kept in step with incidents
) strict, without rowid;

create table complaints (
    id            blob    not null primary key,
    identity_id   blob    not null references identities (id),
    feed          text    not null,
    feedback_type text    not null,
    message       blob    not null,
    complainant   blob    not null,
    weight        integer not null,
    received_at   integer not null,
    report_id     blob    not null references reports (id)
) strict, without rowid;
create index complaints_by_identity on complaints (identity_id, received_at);

create table incidents (
    id          blob    not null primary key,
    identity_id blob    not null references identities (id),
    state       text    not null,
    opened_at   integer not null,
    explanation text    not null    -- JSON
) strict;
create unique index incidents_one_open on incidents (identity_id)
    where state in ('open', 'locked', 'refused');
create index incidents_by_time on incidents (opened_at);

create table incident_evidence (
    incident_id blob    not null references incidents (id),
    position    integer not null,
    report_id   blob    not null references reports (id),
    primary key (incident_id, position)
) strict, without rowid;

create table lock_orders (
    id          blob    not null primary key,
    incident_id blob    not null references incidents (id),
    identity_id blob    not null references identities (id),
    target      text    not null,
    state       text    not null,
    reason      text    not null,
    attempts    integer not null,
    not_before  integer not null,
    lease_token blob,
    lease_until integer,
    last_answer text,
    ordered_at  integer not null,
    settled_at  integer
) strict;
create index lock_orders_due on lock_orders (not_before) where state = 'pending';
create index lock_orders_by_incident on lock_orders (incident_id);
create index lock_orders_by_time on lock_orders (ordered_at);

create table audit (
    seq         integer not null primary key autoincrement,
    at          integer not null,
    actor       text    not null,
    action      text    not null,
    incident_id blob,
    order_id    blob,
    detail      text    not null
) strict;
create trigger audit_keeps before update on audit
begin
    select raise(abort, 'the audit table is append-only');
end;
create trigger audit_keeps_all before delete on audit
begin
    select raise(abort, 'the audit table is append-only');
end;
