select plan(3);

select is(jsonb_array_length(sync.status() -> 'models'), 8, 'the status has every model');
select is(
  (select array_agg(distinct m.name order by m.name) from sync.metrics() as m),
  array['odoo_sync_conflicts_total', 'odoo_sync_dead_letters', 'odoo_sync_failures', 'odoo_sync_quarantined'],
  'before the first run there are these measurements'
);
insert into sync.dead_letters (reason, resolved_at) values ('old', now() - interval '1 year'), ('new', now());
select sync.prune();
select results_eq('select reason from sync.dead_letters', $$values ('new')$$, 'what was resolved long ago goes');

select finish();
