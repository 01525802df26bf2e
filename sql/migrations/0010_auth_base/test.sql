select plan(13);

select is(auth.uid(), null, 'nobody, without claims');
select is(auth.role(), null, 'no role, without claims');
select is(auth.email(), null, 'no address, without claims');
select is(auth.jwt(), null, 'no token, without claims');

select act_as('anon', '{"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated", "email": "a@b.test"}');
select is(auth.uid(), id(1), 'the user, as JSON');
select is(auth.role(), 'authenticated', 'the role, as JSON');
select is(auth.email(), 'a@b.test', 'the address, as JSON');
select is(auth.jwt() ->> 'email', 'a@b.test', 'the whole token');
select throws_ok('select * from auth.users', '42501', null, 'clients read no account');

select set_config('request.jwt.claim.sub', id(2)::text, true);
select set_config('request.jwt.claim.role', 'anon', true);
select is(auth.uid(), id(2), 'a single setting comes first');
select is(auth.role(), 'anon', 'also for the role');
reset role;

select results_eq(
  $$
    select p.oid::regprocedure::text collate "default", pg_catalog.pg_get_userbyid(p.proowner)::text collate "default",
      p.prosecdef
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'auth'::regnamespace
    order by 1
  $$,
  $$
    values
      ('auth.email()', 'supabase_auth_admin', false),
      ('auth.jwt()', 'supabase_auth_admin', false),
      ('auth.org_id()', 'postgres', true),
      ('auth.org_role()', 'postgres', true),
      ('auth.role()', 'supabase_auth_admin', false),
      ('auth.uid()', 'supabase_auth_admin', false)
  $$,
  'the functions in auth and their owners are exactly these'
);

set local role supabase_auth_admin;
select lives_ok(
  $$create or replace function auth.uid() returns uuid language sql stable as 'select null::uuid'$$,
  'Auth may replace what it owns'
);
reset role;

select finish();
