select plan(10);

select two_tenants();

create function hook_claims(person uuid, claims text default '{"sub": "kept", "role": "authenticated"}')
returns jsonb
language sql
as $$
  select tenancy.access_token_hook(
    jsonb_build_object('user_id', person, 'claims', claims::jsonb, 'authentication_method', 'password')
  )
$$;
grant execute on function hook_claims(uuid, text) to supabase_auth_admin;
grant execute on function id(int) to supabase_auth_admin;

-- As Auth calls it.
set local role supabase_auth_admin;
select is(
  hook_claims(id(1)),
  format(
    '{"user_id": "%s", "authentication_method": "password",
      "claims": {"sub": "kept", "role": "authenticated", "org_id": "%s", "org_role": "owner"}}',
    id(1), id(101)
  )::jsonb,
  'the organisation and the role join the claims, and nothing else changes'
);
select is(hook_claims(id(3)) -> 'claims' ->> 'org_role', 'member', 'as what the membership says');
select is(
  hook_claims(id(5), '{"org_id": "old", "org_role": "owner"}') -> 'claims', '{}',
  'nothing old stays for a removed member'
);
select is(hook_claims(null) -> 'claims', '{"sub": "kept", "role": "authenticated"}', 'nobody gets nothing');
select is(tenancy.access_token_hook('{"user_id": "x", "claims": {}}'), '{"user_id": "x", "claims": {}}', 'an odd user');
select is(tenancy.access_token_hook('{"user_id": 5}'), '{"user_id": 5}', 'odd events go back as they came');
select is(tenancy.access_token_hook('[]'), '[]', 'also this one');
reset role;

select act_as(1, 101);
select throws_ok(
  format($$select tenancy.access_token_hook('{"user_id": "%s", "claims": {}}')$$, id(4)), '42501', null,
  'a client cannot ask for others'' tokens'
);
reset role;

insert into public.memberships (org_id, user_id, role)
values ('00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000001', 'admin');
select act_as(1, 101);
select lives_ok('select public.switch_organization(id(102))', 'after a switch');
reset role;
set local role supabase_auth_admin;
select is(
  hook_claims(id(1)) -> 'claims' ->> 'org_id', id(102)::text, 'the next token is for the other organisation'
);
reset role;

select finish();
