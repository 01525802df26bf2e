-- PgBouncer asks this function for the verifier of a role it does not know yet.
create schema pgbouncer authorization pgbouncer;

-- A superuser or a replication role never goes through the pooler, and an expired password is no password.
create function pgbouncer.get_auth(wanted text)
returns table (username text, verifier text)
language sql
stable
security definer
set search_path = ''
as $$
  select a.rolname::text, a.rolpassword::text
  from pg_catalog.pg_authid as a
  where a.rolname = wanted
    and a.rolcanlogin
    and not a.rolsuper
    and not a.rolreplication
    and a.rolname <> 'pgbouncer'
    and (a.rolvaliduntil is null or a.rolvaliduntil > now())
$$;

revoke all on function pgbouncer.get_auth(text) from public, service_role;
grant execute on function pgbouncer.get_auth(text) to pgbouncer;

comment on function pgbouncer.get_auth(text) is 'Password verifiers for PgBouncer''s auth_query.';
