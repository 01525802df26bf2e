-- REST keeps a copy of the schema: it is told to read it again after every change of an object it serves, so that a new
-- function is not a 404 for minutes.
create function extensions.notify_rest_of_change()
returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
  if exists (
    select
    from pg_catalog.pg_event_trigger_ddl_commands() as c
    where c.schema_name is distinct from 'pg_temp'
  ) then
    notify pgrst, 'reload schema';
  end if;
end;
$$;

create function extensions.notify_rest_of_drop()
returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
  if exists (
    select
    from pg_catalog.pg_event_trigger_dropped_objects() as d
    where not d.is_temporary
  ) then
    notify pgrst, 'reload schema';
  end if;
end;
$$;

create event trigger pgrst_ddl_watch -- noqa: PRS
on ddl_command_end
when tag in (
  'ALTER FOREIGN TABLE', 'ALTER FUNCTION', 'ALTER MATERIALIZED VIEW', 'ALTER SCHEMA', 'ALTER TABLE', 'ALTER TYPE',
  'ALTER VIEW', 'COMMENT', 'CREATE FOREIGN TABLE', 'CREATE FUNCTION', 'CREATE MATERIALIZED VIEW', 'CREATE RULE',
  'CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'CREATE TYPE', 'CREATE VIEW', 'GRANT', 'REVOKE', 'SELECT INTO'
)
execute function extensions.notify_rest_of_change();

create event trigger pgrst_drop_watch -- noqa: PRS
on sql_drop
execute function extensions.notify_rest_of_drop();
