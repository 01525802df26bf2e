-- A view that reads with its owner's rights, or a materialised view or foreign table that clients may read: row
-- security of the tables behind it does not hold.
select
  'relation_past_row_security' as name,
  'ERROR' as level,
  format(
    '%s %I.%I reads past row security',
    case c.relkind when 'v' then 'view' when 'm' then 'materialised view' else 'foreign table' end, s.name, c.relname
  ) as detail,
  case c.relkind
    when 'v' then format('alter view %I.%I set (security_invoker = true)', s.name, c.relname)
    else format('revoke all on %I.%I from anon, authenticated, and read it through a function', s.name, c.relname)
  end as remediation,
  jsonb_build_object('schema', s.name, 'object', c.relname) as metadata
from pg_catalog.pg_class as c
inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
where
  (c.relkind = 'v' and not 'security_invoker=true' = any(coalesce(c.reloptions, '{}')))
  or (
    c.relkind in ('m', 'f')
    and (
      pg_catalog.has_table_privilege('anon', c.oid, 'select')
      or pg_catalog.has_table_privilege('authenticated', c.oid, 'select')
    )
  )
