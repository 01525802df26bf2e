-- Roles under the names that Auth, REST, Storage, Realtime and Studio look for. No password here: the migrations role
-- of Ansible sets the passwords of LOGIN roles. supabase_realtime_admin is missing on purpose: Realtime creates it
-- together with its grants, and skips the grants when it finds the role.

-- What a request runs as, chosen by its token.
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';

-- REST: may become one of the three, and has no rights of its own.
create role authenticator login noinherit;
grant anon to authenticator;
grant authenticated to authenticator;
grant service_role to authenticator;

alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role authenticator set idle_in_transaction_session_timeout = '60s';

-- Auth: its migrations find their own tables through the search path.
create role supabase_auth_admin login noinherit;

alter role supabase_auth_admin set search_path = 'auth';
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';

-- Storage: switches to the role of the request, which it reaches through authenticator.
create role supabase_storage_admin login noinherit;
grant authenticator to supabase_storage_admin;

alter role supabase_storage_admin set search_path = 'storage';
alter role supabase_storage_admin set idle_in_transaction_session_timeout = '60s';

-- Realtime and Studio. Realtime's dump grants the API roles in this role's name, which takes the admin option where
-- another role is the bootstrap superuser.
create role supabase_admin login superuser createdb createrole replication bypassrls;
grant anon to supabase_admin with admin option;
grant authenticated to supabase_admin with admin option;
grant service_role to supabase_admin with admin option;

-- Realtime's migrations grant to it.
create role dashboard_user nologin createdb createrole replication;

-- The pooler looks up verifiers with it and does nothing else.
create role pgbouncer login;

alter role pgbouncer set statement_timeout = '5s';

-- People and reports: what they may read is granted table by table, and row policies hold for them.
create role workbench login;

alter role workbench set default_transaction_read_only = on;
alter role workbench set statement_timeout = '60s';
alter role workbench set idle_in_transaction_session_timeout = '60s';
