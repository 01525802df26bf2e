-- A table that clients reach, without row security: whoever is granted it sees every tenant's rows.
select
  'rls_off' as name,
  'ERROR' as level,
  format('table %I.%I has no row security', s.name, c.relname) as detail,
  format('alter table %I.%I enable row level security, or tenancy.isolate', s.name, c.relname) as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname) as metadata
from pg_catalog.pg_class as c
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
where c.relkind in ('r', 'p') and not c.relrowsecurity
