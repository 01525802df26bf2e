-- A policy whose columns lead no index: every statement reads the whole table to find the few rows it may see.
select
  'policy_without_index' as name,
  'WARN' as level,
  format('policy %I on %I.%I compares columns that lead no index', p.polname, s.name, c.relname) as detail,
  format('create index on %I.%I (%s)', s.name, c.relname, compared.listed) as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname, 'policy', p.polname, 'columns', compared.listed) as metadata
from pg_catalog.pg_policy as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
cross join
  lateral (
    select
      string_agg(quote_ident(a.attname), ', ' order by a.attnum) as listed,
      array_agg(a.attnum) as attnums
    from pg_catalog.pg_depend as d
    inner join pg_catalog.pg_attribute as a on d.refobjid = a.attrelid and d.refobjsubid = a.attnum
    where
      d.classid = 'pg_catalog.pg_policy'::regclass
      and d.objid = p.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass
      and d.refobjid = c.oid
      and d.refobjsubid > 0
  ) as compared
where
  p.polqual is not null
  and compared.attnums is not null
  and not exists (
    select
    from pg_catalog.pg_index as i
    where i.indrelid = c.oid and i.indisvalid and i.indpred is null and i.indkey[0] = any(compared.attnums)
  )
