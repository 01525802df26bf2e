select plan(9);

select results_eq(
  $$
    select n.nspname::text collate "default", pg_catalog.pg_get_userbyid(n.nspowner)::text collate "default"
    from pg_catalog.pg_namespace as n
    where n.nspname !~ '^pg_(toast|temp|catalog)' and n.nspname not in ('information_schema', 'pgsodium', 'pgtap')
    order by 1
  $$,
  $$
    values
      ('_realtime', 'supabase_admin'),
      ('auth', 'supabase_auth_admin'),
      ('backup', 'postgres'),
      ('bronze', 'postgres'),
      ('cron', 'postgres'),
      ('extensions', 'postgres'),
      ('gold', 'postgres'),
      ('odoo', 'postgres'),
      ('pgbouncer', 'pgbouncer'),
      ('public', 'pg_database_owner'),
      ('realtime', 'supabase_admin'),
      ('rest', 'postgres'),
      ('silver', 'postgres'),
      ('storage', 'supabase_storage_admin'),
      ('supabase_migrations', 'postgres'),
      ('sync', 'postgres'),
      ('tenancy', 'postgres')
  $$,
  'the schemas and their owners are exactly these'
);

select results_eq(
  $$
    select n.nspname::text collate "default",
      case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text collate "default" end,
      string_agg(lower(a.privilege_type), ' ' order by a.privilege_type)
    from pg_catalog.pg_namespace as n
    cross join lateral pg_catalog.aclexplode(n.nspacl) as a
    where n.nspname !~ '^pg_(toast|temp|catalog)' and n.nspname not in ('information_schema', 'pgsodium', 'pgtap')
      and a.grantee <> n.nspowner
    group by 1, 2
    order by 1, 2
  $$,
  $$
    values
      ('auth', 'anon', 'usage'),
      ('auth', 'authenticated', 'usage'),
      ('auth', 'dashboard_user', 'create usage'),
      ('auth', 'service_role', 'usage'),
      ('bronze', 'service_role', 'usage'),
      ('extensions', 'public', 'usage'),
      ('gold', 'authenticated', 'usage'),
      ('gold', 'service_role', 'usage'),
      ('gold', 'workbench', 'usage'),
      ('odoo', 'authenticated', 'usage'),
      ('odoo', 'service_role', 'usage'),
      ('public', 'anon', 'usage'),
      ('public', 'authenticated', 'usage'),
      ('public', 'service_role', 'usage'),
      ('public', 'workbench', 'usage'),
      ('realtime', 'anon', 'usage'),
      ('realtime', 'authenticated', 'usage'),
      ('realtime', 'service_role', 'usage'),
      ('rest', 'anon', 'usage'),
      ('rest', 'authenticated', 'usage'),
      ('rest', 'service_role', 'usage'),
      ('silver', 'authenticated', 'usage'),
      ('silver', 'service_role', 'usage'),
      ('storage', 'anon', 'usage'),
      ('storage', 'authenticated', 'usage'),
      ('storage', 'dashboard_user', 'create usage'),
      ('storage', 'postgres', 'usage'),
      ('storage', 'service_role', 'usage'),
      ('sync', 'odoo_status', 'usage'),
      ('sync', 'odoo_sync', 'usage'),
      ('tenancy', 'supabase_auth_admin', 'usage')
  $$,
  'the grants on schemas are exactly these'
);

select results_eq(
  $$
    select pg_catalog.pg_get_userbyid(a.grantee)::text collate "default", lower(a.privilege_type)
    from pg_catalog.pg_database as d
    cross join lateral pg_catalog.aclexplode(d.datacl) as a
    where d.datname = current_database() and a.grantee <> d.datdba
    order by 1, 2
  $$,
  $$
    values
      ('authenticator', 'connect'),
      ('odoo_status', 'connect'),
      ('odoo_sync', 'connect'),
      ('pgbouncer', 'connect'),
      ('studio', 'connect'),
      ('supabase_auth_admin', 'connect'),
      ('supabase_read_only_user', 'connect'),
      ('supabase_storage_admin', 'connect'),
      ('workbench', 'connect')
  $$,
  'the grants on the database are exactly these'
);

-- What a forgotten grant gives.
create table public.forgotten (id int);
create function public.forgotten_function() returns int language sql as 'select 1';

select results_eq(
  $$
    select r.rolname::text collate "default"
    from pg_catalog.pg_roles as r
    where not r.rolsuper and r.rolname !~ '^pg_'
      and has_table_privilege(r.oid, 'public.forgotten', 'select, insert, update, delete, truncate, references, trigger')
    order by 1
  $$,
  $$values ('service_role'), ('studio'), ('supabase_read_only_user')$$,
  'a new table in public is for the service key and the dashboard alone'
);

select results_eq(
  $$
    select r.rolname::text collate "default"
    from pg_catalog.pg_roles as r
    where not r.rolsuper and r.rolname !~ '^pg_'
      and has_function_privilege(r.oid, 'public.forgotten_function()', 'execute')
    order by 1
  $$,
  $$values ('service_role'), ('studio')$$,
  'a new function in public is for the service key and the dashboard alone'
);

set local role anon;
select throws_ok('select * from public.forgotten', '42501', null, 'anon reads no table that was not granted');
select throws_ok('create table public.own (id int)', '42501', null, 'anon creates nothing');
reset role;

set local role authenticated;
select throws_ok('create temporary table scratch (id int)', '42501', null, 'a client makes no temporary table');
reset role;

set local role workbench;
select throws_ok('select * from public.forgotten', '42501', null, 'a reader reads no table that was not granted');
reset role;

select finish();
