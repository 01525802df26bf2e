-- One schema per concern, each with the owner its service connects as. A role sees a schema only through USAGE granted
-- here, and a table only through a grant beside its definition: nothing is readable by default.

-- Nobody connects, makes temporary tables or creates in public unless it is granted.
do $$
begin
  execute format('revoke all on database %I from public', current_database());
  execute format(
    'grant connect on database %I to authenticator, supabase_auth_admin, supabase_storage_admin, pgbouncer, workbench',
    current_database()
  );
end;
$$;

revoke all on schema public from public;
grant usage on schema public to anon, authenticated, service_role, workbench;

-- Filled by the services themselves.
create schema auth authorization supabase_auth_admin;
grant usage on schema auth to anon, authenticated, service_role;
grant all on schema auth to dashboard_user;

create schema storage authorization supabase_storage_admin;
grant usage on schema storage to postgres, anon, authenticated, service_role;
grant all on schema storage to dashboard_user;

create schema _realtime authorization supabase_admin;

create schema realtime authorization supabase_admin;
grant usage on schema realtime to anon, authenticated, service_role;

-- ERP data: how it arrived, cleaned, and ready to read.
create schema odoo;
create schema bronze;
create schema silver;
create schema gold;
grant usage on schema odoo, bronze, silver to service_role;
grant usage on schema gold to authenticated, service_role, workbench;

-- A new function is callable by nobody until it is granted.
alter default privileges for role postgres revoke execute on functions from public;

-- The service key administers the data it can see; its bearer already steps around row policies.
alter default privileges for role postgres in schema public, odoo, bronze, silver, gold
grant select, insert, update, delete on tables to service_role;
alter default privileges for role postgres in schema public, odoo, bronze, silver, gold
grant usage, select on sequences to service_role;
alter default privileges for role postgres in schema public, odoo, bronze, silver, gold
grant execute on functions to service_role;
