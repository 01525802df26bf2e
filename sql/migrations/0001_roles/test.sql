select plan(8);

select results_eq(
  $$
    select r.rolname::text collate "default",
      concat_ws(' ',
        case when r.rolcanlogin then 'login' end,
        case when r.rolsuper then 'superuser' end,
        case when r.rolinherit then 'inherit' end,
        case when r.rolcreatedb then 'createdb' end,
        case when r.rolcreaterole then 'createrole' end,
        case when r.rolreplication then 'replication' end,
        case when r.rolbypassrls then 'bypassrls' end)
    from pg_catalog.pg_roles as r
    where r.rolname !~ '^pg_' and r.rolname !~ '^pgsodium_' and r.rolname <> 'postgres'
    order by r.rolname
  $$,
  $$
    values
      ('anon', 'inherit'),
      ('authenticated', 'inherit'),
      ('authenticator', 'login'),
      ('dashboard_user', 'inherit createdb createrole replication'),
      ('odoo_status', 'login'),
      ('odoo_sync', 'login'),
      ('pgbouncer', 'login inherit'),
      ('service_role', 'inherit bypassrls'),
      ('studio', 'login inherit bypassrls'),
      ('supabase_admin', 'login superuser inherit createdb createrole replication bypassrls'),
      ('supabase_auth_admin', 'login'),
      ('supabase_read_only_user', 'login inherit'),
      ('supabase_storage_admin', 'login'),
      ('workbench', 'login inherit')
  $$,
  'the roles and their attributes are exactly these'
);

select hasnt_role('supabase_realtime_admin', 'Realtime creates its own role, with its grants');

select results_eq(
  $$
    select m.rolname::text collate "default", g.rolname::text collate "default", a.admin_option
    from pg_catalog.pg_auth_members as a
    join pg_catalog.pg_roles as m on m.oid = a.member
    join pg_catalog.pg_roles as g on g.oid = a.roleid
    where m.rolname !~ '^pg_' and m.rolname !~ '^pgsodium_'
    order by 1, 2
  $$,
  $$
    values
      ('authenticator', 'anon', false),
      ('authenticator', 'authenticated', false),
      ('authenticator', 'service_role', false),
      ('studio', 'pg_monitor', false),
      ('studio', 'pg_read_all_data', false),
      ('studio', 'service_role', false),
      ('supabase_admin', 'anon', true),
      ('supabase_admin', 'authenticated', true),
      ('supabase_admin', 'service_role', true),
      ('supabase_read_only_user', 'pg_read_all_data', false),
      ('supabase_storage_admin', 'authenticator', false)
  $$,
  'the memberships are exactly these'
);

select results_eq(
  $$
    select r.rolname::text collate "default", s.setting collate "default"
    from pg_catalog.pg_db_role_setting as d
    join pg_catalog.pg_roles as r on r.oid = d.setrole
    cross join unnest(d.setconfig) as s (setting)
    where d.setdatabase = 0
    order by 1, 2
  $$,
  $$
    values
      ('anon', 'statement_timeout=3s'),
      ('authenticated', 'statement_timeout=8s'),
      ('authenticator', 'idle_in_transaction_session_timeout=60s'),
      ('authenticator', 'lock_timeout=8s'),
      ('authenticator', 'statement_timeout=8s'),
      ('odoo_status', 'default_transaction_read_only=on'),
      ('odoo_status', 'statement_timeout=30s'),
      ('odoo_sync', 'idle_in_transaction_session_timeout=60s'),
      ('odoo_sync', 'lock_timeout=60s'),
      ('odoo_sync', 'statement_timeout=120s'),
      ('pgbouncer', 'statement_timeout=5s'),
      ('studio', 'idle_in_transaction_session_timeout=60s'),
      ('studio', 'lock_timeout=8s'),
      ('studio', 'statement_timeout=60s'),
      ('supabase_auth_admin', 'idle_in_transaction_session_timeout=60s'),
      ('supabase_auth_admin', 'search_path=auth'),
      ('supabase_read_only_user', 'default_transaction_read_only=on'),
      ('supabase_read_only_user', 'idle_in_transaction_session_timeout=60s'),
      ('supabase_read_only_user', 'statement_timeout=60s'),
      ('supabase_storage_admin', 'idle_in_transaction_session_timeout=60s'),
      ('supabase_storage_admin', 'search_path=storage'),
      ('workbench', 'default_transaction_read_only=on'),
      ('workbench', 'idle_in_transaction_session_timeout=60s'),
      ('workbench', 'statement_timeout=60s')
  $$,
  'the settings of roles are exactly these'
);

-- Each login role can do its work as itself.
set local session authorization authenticator;
select lives_ok('set local role anon', 'REST becomes anon');
reset role;
select throws_ok('set local role supabase_auth_admin', '42501', null, 'REST cannot become the owner of auth');
reset session authorization;

set local session authorization supabase_storage_admin;
select lives_ok('set local role authenticated', 'Storage becomes the role of a request');
reset role;
reset session authorization;

set local session authorization workbench;
select throws_ok('set local role service_role', '42501', null, 'a reader cannot step around row policies');
reset session authorization;

select finish();
