select plan(6);

select is(jsonb_array_length(sync.status() -> 'models'), 8, 'the status has every model');
select is(
  (select array_agg(distinct m.name order by m.name) from sync.metrics() as m),
  array[
    'odoo_sync_conflicts_total', 'odoo_sync_dead_letters', 'odoo_sync_failures', 'odoo_sync_quarantined',
    'odoo_sync_refused'
  ],
  'before the first run there are these measurements'
);
insert into sync.dead_letters (reason, resolved_at) values ('old', now() - interval '1 year'), ('new', now());
select sync.prune();
select results_eq('select reason from sync.dead_letters', $$values ('new')$$, 'what was resolved long ago goes');

select results_eq(
  $$
    select p.oid::regprocedure::text collate "default"
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'sync'::regnamespace and has_function_privilege('odoo_status', p.oid, 'execute')
    order by 1
  $$,
  $$values ('sync.metrics()'), ('sync.status()')$$,
  'whoever shows it may call exactly these'
);

select sync.fail('res.partner', '/json/2/res.partner/search_read: HTTP 401: Invalid apikey');
select results_eq(
  $$
    select s.what -> 'key' ? 'since', s.what -> 'key' ->> 'cure' like '%odoo_api_key%'
    from (select sync.status() -> 'refused' as what) as s
  $$,
  'values (true, true)',
  'a key that Odoo refuses is said, with what to do'
);
select results_eq(
  $$select labels ->> 'what', value::int from sync.metrics() where name = 'odoo_sync_refused' order by 1$$,
  $$values ('access', 0), ('key', 1)$$,
  'monitoring sees it too'
);

select finish();
