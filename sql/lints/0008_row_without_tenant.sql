-- A table of tenants whose rows may belong to nobody.
select
  'row_without_tenant' as name,
  'ERROR' as level,
  format('column org_id of %I.%I may be null', s.name, c.relname) as detail,
  format('alter table %I.%I alter column org_id set not null', s.name, c.relname) as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname) as metadata
from pg_catalog.pg_class as c
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid and a.attname = 'org_id' and not a.attisdropped
where c.relkind in ('r', 'p') and not a.attnotnull
