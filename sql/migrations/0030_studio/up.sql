-- Studio looks at everything and edits the rows that the service key may edit; the schema stays with the migrations.
create role studio login bypassrls connection limit 10;
grant service_role to studio;
grant pg_read_all_data to studio;
grant pg_monitor to studio;

alter role studio set statement_timeout = '60s';
alter role studio set lock_timeout = '8s';
alter role studio set idle_in_transaction_session_timeout = '60s';

-- What its page on slow queries reads, which the others must not: query texts hold tenants' values.
grant execute on function extensions.pg_stat_statements(boolean) to studio;

-- What postgres-meta does on its own, without Studio's encrypted word, it does as this role: it sees how everything is
-- defined, changes nothing, and row policies show it no tenant's row.
create role supabase_read_only_user login connection limit 10;
grant pg_read_all_data to supabase_read_only_user;

alter role supabase_read_only_user set default_transaction_read_only = on;
alter role supabase_read_only_user set statement_timeout = '60s';
alter role supabase_read_only_user set idle_in_transaction_session_timeout = '60s';

do $$
begin
  execute format('grant connect on database %I to studio, supabase_read_only_user', current_database());
end;
$$;
