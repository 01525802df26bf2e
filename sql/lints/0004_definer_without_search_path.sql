-- A function that runs with its owner's rights and finds names through the caller's search path: the caller decides
-- what it calls. Functions of extensions and services are their makers' business.
select
  'definer_without_search_path' as name,
  'ERROR' as level,
  format('function %s runs as its owner without a search path of its own', f.oid::regprocedure) as detail,
  format('alter function %s set search_path = ''''', f.oid::regprocedure) as remediation,
  jsonb_build_object('schema', n.nspname, 'object', f.proname) as metadata
from pg_catalog.pg_proc as f
inner join pg_catalog.pg_namespace as n on f.pronamespace = n.oid
where
  f.prosecdef
  and pg_catalog.pg_get_userbyid(f.proowner) = 'postgres'
  and n.nspname not in ('pg_catalog', 'information_schema')
  and not exists (
    select
    from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e'
  )
  and not exists (
    select
    from unnest(f.proconfig) as setting
    where setting like 'search\_path=%'
  )
