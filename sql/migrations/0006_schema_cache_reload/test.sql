select plan(3);

select results_eq(
  $$
    select t.evtname::text collate "default", t.evtevent::text collate "default", t.evtenabled::text collate "default"
    from pg_catalog.pg_event_trigger as t
    where t.evtname !~ '^pgaudit_'
    order by 1
  $$,
  $$
    values
      ('pgrst_ddl_watch', 'ddl_command_end', 'O'),
      ('pgrst_drop_watch', 'sql_drop', 'O'),
      ('refuse_unprotected_relations', 'ddl_command_end', 'O')
  $$,
  'the event triggers beside pgaudit''s are exactly these'
);

-- A notification leaves at commit only, so what can be seen here is that the triggers run without an error for a role
-- that owns nothing of theirs; tests/sql listens for the notification itself.
set local role supabase_auth_admin;
select lives_ok('create table auth.watched (id int)', 'a service creates a table under the triggers');
select lives_ok('drop table auth.watched', 'a service drops a table under the triggers');
reset role;

select finish();
