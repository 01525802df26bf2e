select plan(9);

create role pool_user login password 'pool-user-password-for-this-test';
create role pool_expired login password 'pool-user-password-for-this-test' valid until '2020-01-01';
create role pool_group nologin password 'pool-user-password-for-this-test';
create role pool_superuser login superuser password 'pool-user-password-for-this-test';
create role pool_replication login replication password 'pool-user-password-for-this-test';

set local session authorization pgbouncer;
select results_eq(
  $$select g.username, g.verifier like 'SCRAM-SHA-256$%' from pgbouncer.get_auth('pool_user') as g$$,
  $$values ('pool_user', true)$$,
  'a role is found with its verifier'
);
select is_empty($$select * from pgbouncer.get_auth('nobody')$$, 'an unknown role is not found');
select is_empty($$select * from pgbouncer.get_auth('pool_expired')$$, 'an expired password is refused');
select is_empty($$select * from pgbouncer.get_auth('pool_group')$$, 'a role without login is refused');
select is_empty($$select * from pgbouncer.get_auth('pool_superuser')$$, 'a superuser is refused');
select is_empty($$select * from pgbouncer.get_auth('pool_replication')$$, 'a replication role is refused');
select is_empty($$select * from pgbouncer.get_auth('pgbouncer')$$, 'the pooler does not give itself away');
select throws_ok(
  'select * from pg_catalog.pg_authid', '42501', null, 'the pooler reads verifiers through the function only'
);
reset session authorization;

select results_eq(
  $$
    select r.rolname::text collate "default"
    from pg_catalog.pg_roles as r
    where not r.rolsuper and has_function_privilege(r.oid, 'pgbouncer.get_auth(text)', 'execute')
  $$,
  $$values ('pgbouncer')$$,
  'only the pooler may ask'
);

select finish();
