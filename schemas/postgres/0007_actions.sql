-- What an order asks, and of what.
alter table lock_orders add column action text not null default 'lock';
alter table lock_orders add column subject text not null default 'identity';
-- An order that was carried out is done, whatever it asked.
update lock_orders set state = 'done' where state = 'locked';

-- On whose word a complaint names its identity, and the filter's class of the message.
alter table complaints add column strength text not null default 'claimed';
alter table complaints add column class text;
