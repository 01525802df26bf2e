-- The accounts and the claim functions are there, belong to Auth, and no client's role reaches an account.
do $$
declare
  wrong text;
begin
  select string_agg(expected.name, ', ' order by expected.name)
  into wrong
  from unnest(array['auth.jwt()', 'auth.uid()', 'auth.role()', 'auth.email()']) as expected (name)
  where not exists (
    select
    from pg_catalog.pg_proc as p
    where p.oid = to_regprocedure(expected.name) and p.proowner = 'supabase_auth_admin'::regrole
  );

  if wrong is not null then
    raise exception 'missing, or not owned by Auth, which could not replace them: %', wrong;
  end if;

  if not exists (
    select
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('auth.users') and c.relowner = 'supabase_auth_admin'::regrole and c.relrowsecurity
  ) then
    raise exception 'auth.users is missing, not owned by Auth, or without row security';
  end if;

  select string_agg(r.rolname, ', ' order by r.rolname)
  into wrong
  from pg_catalog.pg_roles as r
  where
    r.rolname in ('anon', 'authenticated', 'workbench')
    and has_table_privilege(r.oid, 'auth.users', 'select, insert, update, delete');

  if wrong is not null then
    raise exception 'auth.users is open to %', wrong;
  end if;
end;
$$;
