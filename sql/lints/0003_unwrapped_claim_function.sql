-- A function of the request, called for every row instead of once for the statement. What is left of an expression
-- after every (select function(...)) without a table is taken out must not call one.
with expressions as (
  select
    s.name as schema_name,
    c.relname,
    p.polname,
    concat_ws(
      ' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    ) as condition
  from pg_catalog.pg_policy as p
  inner join pg_catalog.pg_class as c on p.polrelid = c.oid
  inner join tenancy.exposed_schemas as s on c.relnamespace = s.oid
)

select
  'unwrapped_claim_function' as name,
  'WARN' as level,
  format('policy %I on %I.%I asks for the claims at every row', e.polname, e.schema_name, e.relname) as detail,
  'write (select auth.org_id()) instead of auth.org_id()' as remediation,
  jsonb_build_object('schema', e.schema_name, 'object', e.relname, 'policy', e.polname) as metadata
from expressions as e
where
  regexp_replace(
    e.condition, '\( SELECT (?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*? AS \w+\)', '', 'g'
  ) ~ '\m((auth|tenancy)\.\w+|current_setting)\('
