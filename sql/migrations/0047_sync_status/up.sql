-- How the synchronisation is doing, for people and for monitoring.

create function sync.status()
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
select jsonb_build_object(
  'at', now(),
  'odoo', (select jsonb_build_object('version', o.version, 'reported', o.reported ->> 'server_version', 'seen_at', o.seen_at) from sync.odoo as o),
  'refused', (
    select coalesce(jsonb_object_agg(r.what, jsonb_build_object('since', r.since, 'cure', r.cure)), '{}')
    from (
      select d.detail ->> 'refused' as what, min(d.first_at) as since, min(d.detail ->> 'cure') as cure
      from sync.dead_letters as d
      where d.resolved_at is null and d.detail ->> 'refused' is not null
      group by 1
    ) as r
  ),
  'models', (
    select jsonb_agg(
      jsonb_build_object(
        'model', m.name,
        'records', coalesce(n.records, 0),
        'lag_seconds', extract(epoch from now() - c.polled_at),
        'polled_at', c.polled_at,
        'swept_at', c.swept_at,
        'failures', c.failures,
        'retry_at', c.retry_at,
        'quarantined', (select count(*) from sync.quarantine as q where q.model = m.name),
        'last_run', (
          select jsonb_build_object(
            'id', r.id, 'kind', r.kind, 'reason', r.reason, 'state', r.state, 'started_at', r.started_at,
            'finished_at', r.finished_at, 'received', r.received, 'changed', r.changed, 'dead', r.dead,
            'removed', r.removed, 'message', r.message
          )
          from sync.runs as r
          where r.model = m.name
          order by r.id desc
          limit 1
        ),
        'latency', (
          select jsonb_build_object(
            'records', sum(l.records),
            'p95_seconds', percentile_disc(0.95) within group (order by l.p95_seconds),
            'worst_seconds', max(l.worst_seconds)
          )
          from sync.latencies as l
          where l.model = m.name and l.at > now() - interval '1 day'
        )
      )
      order by m.position
    )
    from sync.models as m
    join sync.cursors as c on c.model = m.name
    -- All at once: one look at the table instead of one for each model.
    left join (
      select h.model, count(*) as records from sync.heads as h where not h.deleted group by h.model
    ) as n on n.model = m.name
  ),
  'latencies', (
    select coalesce(jsonb_agg(to_jsonb(l) order by l.minute), '[]')
    from (
      select date_trunc('minute', l.at) as minute, sum(l.records) as records, max(l.p95_seconds) as p95_seconds
      from sync.latencies as l
      where l.at > now() - interval '1 day'
      group by 1
    ) as l
  ),
  'dead_letters', (
    select coalesce(jsonb_agg(to_jsonb(d) order by d.last_at desc), '[]')
    from (
      select d.id, d.model, d.reason, d.detail ->> 'message' as message, d.detail ->> 'cure' as cure, d.times, d.first_at, d.last_at
      from sync.dead_letters as d
      where d.resolved_at is null
      order by d.last_at desc
      limit 50
    ) as d
  ),
  'conflicts', (
    select coalesce(jsonb_agg(to_jsonb(f) order by f.at desc), '[]')
    from (
      select f.at, f.model, f.source_id, f.kind, f.winner, f.reason
      from sync.conflicts as f
      order by f.id desc
      limit 50
    ) as f
  ),
  'quarantine', (
    select coalesce(jsonb_agg(to_jsonb(q) order by q.received_at desc), '[]')
    from (
      select q.model, q.source_id, q.reason, q.received_at
      from sync.quarantine as q
      order by q.received_at desc
      limit 50
    ) as q
  ),
  'reconciliation', (
    select coalesce(jsonb_agg(to_jsonb(r) order by r.model, r.company_id, r.day nulls first), '[]')
    from (
      select r.at, r.model, r.company_id, r.day, r.odoo_records, r.silver_records, r.odoo_sums, r.silver_sums, r.gold_sum,
        r.differing_ids, r.agrees
      from sync.reconciliations as r
      where r.run = (select max(l.run) from sync.reconciliations as l where l.model = r.model)
    ) as r
  ),
  'companies', (
    select coalesce(jsonb_agg(jsonb_build_object('id', c.company_id, 'name', c.name, 'organisation', o.slug, 'visible', c.visible) order by c.company_id), '[]')
    from sync.companies as c
    left join public.organizations as o on o.id = c.org_id
  )
);
$$;

comment on function sync.status() is
'Lag, runs, counts, dead letters, conflicts and reconciliation, as the dashboard shows them.';

create function sync.metrics()
returns table (name text, labels jsonb, value numeric)
language sql
stable
security definer
set search_path = ''
as $$
select 'odoo_sync_lag_seconds', jsonb_build_object('model', c.model), extract(epoch from now() - c.polled_at)
from sync.cursors as c
where c.polled_at is not null
union all
select 'odoo_sync_failures', jsonb_build_object('model', c.model), c.failures from sync.cursors as c
union all
select 'odoo_sync_quarantined', jsonb_build_object('model', m.name), (select count(*) from sync.quarantine as q where q.model = m.name)
from sync.models as m
union all
select 'odoo_sync_dead_letters', '{}', count(*) from sync.dead_letters as d where d.resolved_at is null
union all
select 'odoo_sync_conflicts_total', jsonb_build_object('kind', k.kind), (select count(*) from sync.conflicts as f where f.kind = k.kind)
from (values ('older version arrived later'), ('edited by hand')) as k (kind)
union all
select 'odoo_sync_latency_p95_seconds', jsonb_build_object('reason', l.reason), percentile_disc(0.95) within group (order by l.p95_seconds)
from sync.latencies as l
where l.at > now() - interval '1 hour'
group by l.reason
union all
select 'odoo_sync_refused', jsonb_build_object('what', w.what), (
  select count(*)
  from sync.dead_letters as d
  where d.resolved_at is null and d.detail ->> 'refused' = w.what
)
from (values ('key'), ('access')) as w (what)
union all
select 'odoo_sync_reconciliation_age_seconds', jsonb_build_object('model', c.model), extract(epoch from now() - c.swept_at)
from sync.cursors as c
where c.swept_at is not null
union all
select 'odoo_sync_reconciliation_differences', jsonb_build_object('model', r.model), count(distinct d.id)
from sync.reconciliations as r
left join unnest(r.differing_ids) as d (id) on true
where r.run = (select max(l.run) from sync.reconciliations as l where l.model = r.model)
group by r.model;
$$;

comment on function sync.metrics() is 'What monitoring asks: one row for each measurement.';

-- Whoever shows it sees that and nothing else. Its user on the server has the same name, so it needs no password.
create role odoo_status login noinherit connection limit 3;
grant usage on schema sync to odoo_status;
grant execute on function sync.status(), sync.metrics() to odoo_status;

alter role odoo_status set default_transaction_read_only = on;
alter role odoo_status set statement_timeout = '30s';

do $$
begin
  execute format('grant connect on database %I to odoo_status', current_database());
end;
$$;

-- What nobody asks for any more.
create function sync.prune()
returns void
language sql
security definer
set search_path = ''
as $$
delete from sync.runs as r where r.started_at < now() - interval '30 days' and r.state <> 'running';
delete from sync.latencies as l where l.at < now() - interval '90 days';
delete from sync.dead_letters as d where d.resolved_at < now() - interval '90 days';
$$;

select cron.schedule('sync-partitions', '7 0 * * *', 'select sync.make_partitions()');
select cron.schedule('sync-retire', '17 1 2 * *', $$select sync.retire_partitions('24 months')$$);
select cron.schedule('sync-prune', '27 1 * * *', 'select sync.prune()');
