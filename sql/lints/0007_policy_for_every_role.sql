-- A policy that names no role holds for everybody who is granted the table, also for those who come later.
select
  'policy_for_every_role' as name,
  'ERROR' as level,
  format('policy %I on %I.%I names no role', p.polname, s.name, c.relname) as detail,
  format('alter policy %I on %I.%I to authenticated', p.polname, s.name, c.relname) as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname, 'policy', p.polname) as metadata
from pg_catalog.pg_policy as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
where p.polpermissive and 0 = any(p.polroles)
