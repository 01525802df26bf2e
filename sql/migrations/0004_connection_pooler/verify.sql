-- The lookup exists, belongs to a superuser, and nobody but the pooler and superusers may call it.
do $$
declare
  callers text;
begin
  if to_regprocedure('pgbouncer.get_auth(text)') is null then
    raise exception 'function pgbouncer.get_auth(text) is missing: nobody can log in through the pooler';
  end if;

  select string_agg(r.rolname, ', ' order by r.rolname)
  into callers
  from pg_catalog.pg_roles as r
  where
    not r.rolsuper
    and r.rolname <> 'pgbouncer'
    and has_function_privilege(r.oid, 'pgbouncer.get_auth(text)', 'execute');

  if callers is not null then
    raise exception 'password verifiers are readable by %', callers;
  end if;

  if exists (select from pgbouncer.get_auth('supabase_admin')) then
    raise exception 'the pooler lets a superuser in';
  end if;
end;
$$;
