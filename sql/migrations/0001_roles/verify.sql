-- Every role of the platform exists, and only the two expected ones are superusers.
do $$
declare
  missing text;
  superusers text;
begin
  select string_agg(expected.name, ', ' order by expected.name)
  into missing
  from unnest(array[
    'anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin', 'supabase_storage_admin',
    'supabase_admin', 'dashboard_user', 'pgbouncer', 'workbench'
  ]) as expected (name)
  where not exists (select from pg_catalog.pg_roles as r where r.rolname = expected.name);

  if missing is not null then
    raise exception 'roles are missing: %', missing;
  end if;

  select string_agg(r.rolname, ', ' order by r.rolname)
  into superusers
  from pg_catalog.pg_roles as r
  where r.rolsuper and r.rolname not in ('postgres', 'supabase_admin');

  if superusers is not null then
    raise exception 'superusers nobody declared: %', superusers;
  end if;
end;
$$;
