-- A foreign key between two tables of tenants that leaves org_id out: a row may refer to another tenant's row, and a
-- refused or accepted insert tells whether that row exists.
select
  'foreign_key_across_tenants' as name,
  'WARN' as level,
  format('foreign key %I of %s may refer to another tenant''s row', k.conname, k.conrelid::regclass) as detail,
  format('make it (org_id, ...) references %s (org_id, ...)', k.confrelid::regclass) as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname, 'constraint', k.conname) as metadata
from pg_catalog.pg_constraint as k
inner join pg_catalog.pg_class as c on k.conrelid = c.oid
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
inner join pg_catalog.pg_attribute as own on k.conrelid = own.attrelid and own.attname = 'org_id'
inner join pg_catalog.pg_attribute as other on k.confrelid = other.attrelid and other.attname = 'org_id'
where k.contype = 'f' and not own.attnum = any(k.conkey)
