select plan(5);

select two_tenants();
insert into silver.currencies (org_id, id, write_date, raw_id, received_at, name)
values (id(101), 1, '2026-01-01', 1, now(), 'EUR'), (id(102), 1, '2026-01-01', 1, now(), 'EUR');

select results_eq(
  'select kind, winner, source_id from sync.conflicts order by id',
  $$values ('edited by hand', 'Odoo', 1::bigint), ('edited by hand', 'Odoo', 1::bigint)$$,
  'who writes here beside the synchronisation is noted'
);

select act_as(3, 101);
select results_eq(
  'select org_id from silver.currencies', 'select id(101)', 'a member reads the rows of his organisation'
);
select results_eq('select org_id from odoo.res_currency', 'select id(101)', 'under Odoo''s name too');
select throws_ok('delete from silver.currencies', '42501', null, 'and writes none');
reset role;

set local role service_role;
select throws_ok('delete from silver.currencies', '42501', null, 'nor does the service key');
reset role;

select finish();
