select plan(11);

select two_tenants();

select results_eq(
  $$
    select pg_catalog.pg_get_userbyid(a.grantee)::text collate "default"
    from pg_catalog.pg_proc as p
    cross join lateral pg_catalog.aclexplode(p.proacl) as a
    where p.oid = 'rest.check_request()'::regprocedure and a.grantee <> p.proowner
    order by 1
  $$,
  $$ values ('anon'), ('authenticated'), ('service_role') $$,
  'who calls it'
);

set local role anon;
select lives_ok('select rest.check_request()', 'nobody in particular passes');
reset role;

set local role service_role;
select lives_ok('select rest.check_request()', 'the service role has no account and passes');
reset role;

select act_as(1, 101);
select lives_ok('select rest.check_request()', 'an account passes');
reset role;

update auth.users set banned_until = now() + interval '1 hour'
where id = id(1);
select act_as(1, 101);
select throws_ok(
  'select rest.check_request()', 'PT403', 'the account of this token is closed', 'a banned account is refused'
);
reset role;

update auth.users set banned_until = now() - interval '1 second'
where id = id(1);
select act_as(1, 101);
select lives_ok('select rest.check_request()', 'until the ban ends');
reset role;

update auth.users set deleted_at = now()
where id = id(1);
select act_as(1, 101);
select throws_ok('select rest.check_request()', 'PT403', null, 'an account that is marked as deleted is refused');
reset role;

delete from auth.users
where id = id(2);
select act_as(2, 101);
select throws_ok('select rest.check_request()', 'PT403', null, 'and one that is gone');
reset role;

select act_as(3, 101);
select lives_ok('select rest.check_request()', 'others are not touched by that');
select set_config('request.jwt.claims', '{"role": "authenticated"}', true);
select throws_ok('select rest.check_request()', 'PT403', null, 'a token that names no account is refused');
select set_config('request.jwt.claims', '{"role": "service_role"}', true);
select throws_ok(
  'select rest.check_request()', 'PT403', null, 'the role of the session counts, whatever the claims say'
);
reset role;

select finish();
