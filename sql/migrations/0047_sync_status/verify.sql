-- The old is cleared away by schedule, and the next months are made.
do $$
declare
  found text;
begin
  select string_agg(w.name, ', ') into found
  from (values ('sync-partitions'), ('sync-prune'), ('sync-retire')) as w (name)
  where not exists (select from cron.job as j where j.jobname = w.name and j.active);
  if found is not null then
    raise exception 'not scheduled: %', found;
  end if;
end;
$$;

-- Whoever shows it reads no table.
do $$
declare
  found text;
begin
  select string_agg(format('%s', c.oid::regclass), ', ' order by c.relname) into found
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where
    n.nspname in ('sync', 'bronze', 'silver', 'gold', 'odoo') and c.relkind in ('r', 'p', 'v', 'm')
    and has_table_privilege('odoo_status', c.oid, 'select, insert, update, delete, truncate, references, trigger');
  if found is not null then
    raise exception 'the role odoo_status may touch %', found;
  end if;
end;
$$;
