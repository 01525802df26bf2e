-- Every schema is there with its owner, nobody creates in public by accident, and only named roles may connect.
do $$
declare
  wrong text;
begin
  select string_agg(expected.name || ' owned by ' || expected.owner, ', ' order by expected.name)
  into wrong
  from (
    values
      ('auth', 'supabase_auth_admin'), ('storage', 'supabase_storage_admin'), ('_realtime', 'supabase_admin'),
      ('realtime', 'supabase_admin'), ('extensions', 'postgres'), ('odoo', 'postgres'), ('bronze', 'postgres'),
      ('silver', 'postgres'), ('gold', 'postgres')
  ) as expected (name, owner)
  where not exists (
    select from pg_catalog.pg_namespace as n
    where n.nspname = expected.name and pg_catalog.pg_get_userbyid(n.nspowner) = expected.owner
  );

  if wrong is not null then
    raise exception 'schemas are missing or have another owner: %', wrong;
  end if;

  if has_schema_privilege('anon', 'public', 'create') then
    raise exception 'anon may create in schema public';
  end if;

  if exists (
    select from pg_catalog.pg_database as d
    cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as a
    where d.datname = current_database() and a.grantee = 0
  ) then
    raise exception 'everybody may connect to database %', current_database();
  end if;
end;
$$;
