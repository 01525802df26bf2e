-- Extensions that Debian packages. Those built from source (pgsodium and others) are created by the postgresql role of
-- Ansible, because an installation may leave them out. They come before the default privileges: what they bring is
-- for everybody, away from the schemas that clients reach.
create schema extensions;
grant usage on schema extensions to public;

create extension pg_stat_statements schema extensions;
create extension pgaudit schema extensions;
create extension pgcrypto schema extensions;
create extension "uuid-ossp" schema extensions;
create extension vector schema extensions;

-- Makes its own schema, cron; its functions are for those who are granted them.
create extension pg_cron;
revoke all on schema cron from public;
revoke all on all tables in schema cron from public;
revoke all on all functions in schema cron from public;

-- Query texts hold other tenants' values.
revoke all on extensions.pg_stat_statements, extensions.pg_stat_statements_info from public;
revoke execute on function extensions.pg_stat_statements(boolean) from public;
