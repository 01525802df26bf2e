-- Auth may call the hook, and nobody else.
do $$
declare
  callers text;
begin
  if to_regprocedure('tenancy.access_token_hook(jsonb)') is null then
    raise exception 'function tenancy.access_token_hook(jsonb) is missing: nobody can log in';
  end if;

  select string_agg(r.rolname, ', ' order by r.rolname) into callers
  from pg_catalog.pg_roles as r
  where not r.rolsuper and has_function_privilege(r.oid, 'tenancy.access_token_hook(jsonb)', 'execute');

  if callers is distinct from 'supabase_auth_admin' then
    raise exception 'the access token hook is callable by %, not by Auth alone', coalesce(callers, 'nobody');
  end if;

  if not has_schema_privilege('supabase_auth_admin', 'tenancy', 'usage') then
    raise exception 'Auth may not look into schema tenancy: nobody can log in';
  end if;
end;
$$;
