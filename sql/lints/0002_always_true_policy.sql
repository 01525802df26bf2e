-- A policy that lets everything through. Reading what is for everybody can be right, but not in a table of tenants.
select
  'always_true_policy' as name,
  case when p.polcmd = 'r' and tenant.attnum is null then 'WARN' else 'ERROR' end as level,
  format('policy %I on %I.%I is always true', p.polname, s.name, c.relname) as detail,
  'compare a column with who asks, for instance org_id = (select auth.org_id())' as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname, 'policy', p.polname) as metadata
from pg_catalog.pg_policy as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
left join pg_catalog.pg_attribute as tenant on c.oid = tenant.attrelid and tenant.attname = 'org_id'
where
  p.polpermissive
  and (
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) in ('true', '(1 = 1)')
    or pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) in ('true', '(1 = 1)')
  )
