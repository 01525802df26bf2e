-- What REST serves, as one line of JSON. psql replaces :'schemas' by the schemas' names with commas between them, the
-- one that is served without asking first.
with schemas as (
  select n.oid, n.nspname as name, s.number
  from unnest(string_to_array(:'schemas', ',')) with ordinality as s (name, number)
  join pg_catalog.pg_namespace as n on n.nspname = s.name
),

roles as (
  select r.oid, r.rolname as name
  from pg_catalog.pg_roles as r
  where r.rolname in ('anon', 'authenticated', 'service_role')
),

rights as (
  select c.oid as relation, r.name as role, array_agg(v.verb order by v.verb) as verbs
  from pg_catalog.pg_class as c
  join schemas as s on s.oid = c.relnamespace
  cross join roles as r
  cross join (values ('select'), ('insert'), ('update'), ('delete')) as v (verb)
  where
    c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not c.relispartition
    and case v.verb
      when 'delete' then has_table_privilege(r.oid, c.oid, v.verb)
      else has_any_column_privilege(r.oid, c.oid, v.verb)
    end
  group by 1, 2
),

columns as (
  select
    a.attrelid as relation,
    json_agg(
      json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'nullable', not a.attnotnull,
        'filled', a.atthasdef or a.attidentity <> '',
        'key', exists (
          select from pg_catalog.pg_constraint as k
          where k.conrelid = a.attrelid and k.contype = 'p' and a.attnum = any (k.conkey)
        ),
        'comment', col_description(a.attrelid, a.attnum)
      ) order by a.attnum
    ) as list
  from pg_catalog.pg_attribute as a
  where a.attnum > 0 and not a.attisdropped and a.attrelid in (select relation from rights)
  group by 1
),

relations as (
  select
    s.number,
    c.relname as name,
    json_build_object(
      'schema', s.name,
      'name', c.relname,
      'default_schema', s.number = 1,
      'kind', case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end,
      'comment', obj_description(c.oid, 'pg_class'),
      'row_security', c.relrowsecurity,
      'columns', o.list,
      'rights', (
        select json_object_agg(r.name, coalesce(g.verbs, '{}'))
        from roles as r
        left join rights as g on g.role = r.name and g.relation = c.oid
      )
    ) as row
  from pg_catalog.pg_class as c
  join schemas as s on s.oid = c.relnamespace
  join columns as o on o.relation = c.oid
),

functions as (
  select
    s.number,
    p.proname as name,
    json_build_object(
      'schema', s.name,
      'name', p.proname,
      'default_schema', s.number = 1,
      'comment', obj_description(p.oid, 'pg_proc'),
      'returns', pg_get_function_result(p.oid),
      'arguments', coalesce((
        select
          json_agg(
            json_build_object(
              'name', coalesce(p.proargnames[i.number], ''),
              'type', format_type(i.type, null),
              'optional', i.number > p.pronargs - p.pronargdefaults
            ) order by i.number
          )
        from unnest(p.proargtypes::oid[]) with ordinality as i (type, number)
      ), '[]'),
      'callers', (
        select json_agg(r.name order by r.name)
        from roles as r
        where has_function_privilege(r.oid, p.oid, 'execute')
      )
    ) as row
  from pg_catalog.pg_proc as p
  join schemas as s on s.oid = p.pronamespace
  where
    p.prokind = 'f'
    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    and exists (select from roles as r where has_function_privilege(r.oid, p.oid, 'execute'))
)

select
  json_build_object(
    'relations', (select coalesce(json_agg(r.row order by r.number, r.name), '[]') from relations as r),
    'functions', (select coalesce(json_agg(f.row order by f.number, f.name), '[]') from functions as f)
  );
