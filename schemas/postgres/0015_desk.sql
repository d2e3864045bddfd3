-- Whom the named identity is known as (JSON), and why that could not be told.
alter table reports add column alias text;

-- The queue of those that nobody could be named for.
create index reports_unattributed on reports (received_at) where standing in ('unattributed', 'shared');

-- Customers' accounts, as the look-up last told.
create table accounts (
    identity_id uuid    not null primary key references identities (id),
    account     text,
    contact     text,
    at          bigint not null
);

-- What in a feed's reports stands for an identity, since a person attributed one of them by hand. Rows are never
-- taken away: one that is forgotten says when, by whom and why.
create table learnt (
    id            uuid    not null primary key,
    feed          text    not null,
    choice        text    not null, -- 'source-ip', 'header:x-customer'
    value         text    not null,
    identity      text    not null,
    domain        text,
    username      text,
    report_id     uuid    not null,
    at            bigint not null,
    actor         text    not null,
    reason        text    not null,
    forgotten_at  bigint,
    forgotten_by  text,
    forgotten_why text
);
create unique index learnt_once on learnt (feed, choice, value) where forgotten_at is null;
