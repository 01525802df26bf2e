select plan(6);

select results_eq(
  $$
    select c.relname::text collate "default"
    from pg_catalog.pg_class as c
    where c.relnamespace = 'bronze'::regnamespace and c.relkind = 'p'
    order by 1
  $$,
  $$
    values ('raw_documents'), ('raw_events'), ('raw_odoo_companies'), ('raw_odoo_currencies'), ('raw_odoo_invoice_lines'),
      ('raw_odoo_invoices'), ('raw_odoo_partners'), ('raw_odoo_payments'), ('raw_odoo_products'), ('raw_odoo_reconciliations')
  $$,
  'one table for each model, one for events and one for documents'
);

select is(sync.make_partitions(), 0, 'the months ahead are there');
select is(sync.make_partitions(3), 10, 'and are made when they are not');

insert into bronze.raw_events (source, payload) values ('test', '{}');
select throws_ok('update bronze.raw_events set source = ''x''', '42501', null, 'what arrived is not changed');
select throws_ok('delete from bronze.raw_events', '42501', null, 'nor deleted');
select throws_ok($$select sync.retire_partitions('1 day')$$, 'P0001', null, 'a month is kept at least');

select finish();
