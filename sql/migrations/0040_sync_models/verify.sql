-- Whoever synchronises calls functions and reads no table; every model has fields.
do $$
declare
  found text;
begin
  select string_agg(format('%s', c.oid::regclass), ', ' order by c.relname) into found
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where
    n.nspname in ('sync', 'bronze', 'silver', 'gold', 'odoo') and c.relkind in ('r', 'p', 'v', 'm')
    and has_table_privilege('odoo_sync', c.oid, 'select, insert, update, delete, truncate, references, trigger');
  if found is not null then
    raise exception 'the role odoo_sync may touch %', found;
  end if;

  select string_agg(m.name, ', ' order by m.position) into found
  from sync.models as m
  where not exists (select from sync.fields as f where f.model = m.name);
  if found is not null then
    raise exception 'nothing is read of %: sync.fields names no field', found;
  end if;
end;
$$;
