select plan(6);

select results_eq(
  'select sync.models()',
  $$
    values ('res.company'), ('res.currency'), ('res.partner'), ('product.product'), ('account.move'),
      ('account.move.line'), ('account.payment'), ('account.partial.reconcile')
  $$,
  'what others refer to is read first'
);

select results_eq(
  $$
    select p.oid::regprocedure::text collate "default"
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'sync'::regnamespace and has_function_privilege('odoo_sync', p.oid, 'execute')
    order by 1
  $$,
  $$
    values ('sync.fail(text,text,jsonb)'), ('sync.ingest(bigint,jsonb,text)'), ('sync.models()'),
      ('sync.next_request(text,text,jsonb)'), ('sync.record_event(text,jsonb)')
  $$,
  'whoever synchronises may call exactly these'
);

select is_empty(
  $$
    select r.rolname, p.oid::regprocedure
    from pg_catalog.pg_proc as p
    cross join (values ('anon'), ('authenticated'), ('service_role'), ('workbench'), ('authenticator')) as r (rolname)
    where p.pronamespace = 'sync'::regnamespace
      and has_schema_privilege(r.rolname, 'sync', 'usage') and has_function_privilege(r.rolname, p.oid, 'execute')
  $$,
  'nobody else may'
);

select is_empty(
  $$
    select f.model, f."column", f.since
    from sync.fields as f
    join sync.fields as g on g.model = f.model and g."column" = f."column" and g.field <> f.field
    where f.since <= g.until and g.since <= f.until
  $$,
  'no column has two fields in one version of Odoo'
);

select throws_ok(
  $$insert into sync.fields (model, field, "column", type) values ('res.partner', 'x', 'x', 'money')$$,
  '23514', null, 'a type that silver does not know is refused'
);

set local role odoo_sync;
select throws_ok('select * from sync.models', '42501', null, 'the tables are closed to whoever synchronises');
reset role;

select finish();
