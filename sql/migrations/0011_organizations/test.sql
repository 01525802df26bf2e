select plan(47);

select two_tenants();

-- Whose organisation a request is for.
select act_as(3, 101);
select is(auth.org_id(), id(101), 'a member gets the organisation of the token');
select is(auth.org_role(), 'member', 'with the role');
select act_as(1, 101);
select is(auth.org_role(), 'owner', 'an owner is one');
select act_as(3);
select is(auth.org_id(), id(101), 'without a claim it is the first joined');
select act_as(3, 102);
select is(auth.org_id(), null, 'another tenant''s id is nobody''s');
select is(auth.org_role(), null, 'and has no role');
select act_as(5, 101);
select is(auth.org_id(), null, 'a removed member''s token opens nothing');
select act_as(5);
select is(auth.org_id(), null, 'nor does he have an organisation without a claim');
select act_as('authenticated', '');
select is(auth.org_id(), null, 'no claims: no organisation');
select act_as('authenticated', null);
select is(auth.org_id(), null, 'no setting: no organisation');
select act_as('authenticated', '{"sub": ');
select is(auth.org_id(), null, 'claims that are no JSON are none');
select act_as('authenticated', '{"sub": "\u0000", "org_id": "\u0000"}');
select is(auth.org_id(), null, 'claims that PostgreSQL cannot hold are none');
select act_as('authenticated', '["sub", "org_id"]');
select is(auth.org_id(), null, 'claims that are no object are none');
select act_as('authenticated', '{"sub": "not a uuid"}');
select is(auth.org_id(), null, 'a user that is no id is nobody');
select is_empty('select from public.memberships', 'and sees nothing, without an error');
select act_as('authenticated', format('{"sub": "%s", "org_id": "not a uuid"}', id(3)));
select is(auth.org_id(), null, 'an organisation that is no id is none');
select act_as('authenticated', format('{"sub": "%s", "org_id": ""}', id(3)));
select is(auth.org_id(), null, 'an empty one neither');
select act_as('authenticated', format('{"sub": "%s", "org_id": {"id": "%s"}}', id(3), id(101)));
select is(auth.org_id(), null, 'an object neither');
select act_as('authenticated', format('{"sub": "%s", "org_id": null}', id(3)));
select is(auth.org_id(), id(101), 'null is no claim');
select act_as('authenticated', format('{"sub": "%s", "org_id": "00000000-0000-0000-0000-000000000000"}', id(3)));
select is(auth.org_id(), null, 'the all-zero tenant is none');
reset role;

select throws_ok(
  $$insert into public.organizations (id, name, slug) values ('00000000-0000-0000-0000-000000000000', 'zero', 'zero')$$,
  '23514', null, 'nobody can make the all-zero tenant'
);
select throws_ok(
  $$insert into public.memberships (org_id, user_id) values (null, id(3))$$, '23502', null, 'no membership in nothing'
);
select throws_ok(
  $$insert into public.memberships (org_id, user_id, role) values (id(102), id(3), 'root')$$,
  '23514', null, 'no role beside the three'
);

-- A membership ends at once, in the middle of a session.
select act_as(6, 102);
select isnt_empty('select from public.organizations', 'a member sees his organisation');
reset role;
delete from public.memberships
where user_id = id(6);
select act_as(6, 102);
select is_empty('select from public.organizations', 'the same token shows nothing after he was removed');
select is_empty('select from public.memberships', 'nor any membership');
reset role;

-- The holes of the plan's sample.
select act_as(3, 101);
select throws_ok(
  'insert into public.memberships (org_id, user_id) values (id(102), id(3))', '42501', null,
  'nobody joins by inserting a membership'
);
select throws_ok(
  $$insert into public.memberships (org_id, user_id, role) values (id(101), id(3), 'owner')
    on conflict (org_id, user_id) do update set role = 'owner'$$,
  '42501', null, 'nor by an upsert'
);
select throws_ok(
  'update public.memberships set org_id = id(102) where user_id = id(3)', '42501', null, 'nor by moving his own'
);
select is_empty(
  $$update public.memberships set role = 'owner' where user_id = id(3) returning id$$, 'nobody promotes himself'
);
select throws_ok(
  $$insert into public.organizations (name, slug) values ('own', 'own')$$, '42501', null,
  'organisations are not inserted'
);
select lives_ok(
  'select from public.memberships as m join public.organizations as o on o.id = m.org_id',
  'the policies of memberships do not go round in circles'
);
select act_as(2, 101);
select is_empty(
  $$update public.memberships set role = 'owner' where user_id = id(2) returning id$$, 'nor does an admin'
);
select is_empty($$delete from public.memberships where user_id = id(1) returning id$$, 'an admin removes no owner');
reset role;

select policies_are('public', 'organizations', array['organizations_select', 'organizations_update']);
select policies_are('public', 'memberships', array['memberships_select', 'memberships_update', 'memberships_delete']);
select is_empty(
  $$
    select p.polname
    from pg_catalog.pg_policy as p
    join pg_catalog.pg_class as c on c.oid = p.polrelid
    where c.relnamespace = 'public'::regnamespace and p.polroles <> array['authenticated'::regrole::oid]
  $$,
  'every policy is for authenticated and nobody else'
);
select is_empty(
  $$
    select p.polname
    from pg_catalog.pg_policy as p
    join pg_catalog.pg_class as c on c.oid = p.polrelid
    where c.relnamespace = 'public'::regnamespace and p.polcmd in ('a', 'w', '*') and p.polwithcheck is null
  $$,
  'every policy for writing checks what is written'
);
select is_empty(
  $$
    select c.oid::regclass
    from pg_catalog.pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and not (c.relrowsecurity and c.relforcerowsecurity)
  $$,
  'row security is on and forced'
);
select results_eq(
  $$
    select p.oid::regprocedure::text collate "default", r.rolname::text collate "default"
    from pg_catalog.pg_proc as p
    cross join pg_catalog.pg_roles as r
    where p.pronamespace = 'tenancy'::regnamespace and not r.rolsuper
      and has_function_privilege(r.oid, p.oid, 'execute')
    order by 1, 2
  $$,
  $$
    values
      ('tenancy.access_token_hook(jsonb)', 'supabase_auth_admin'),
      ('tenancy.user_id()', 'authenticated')
  $$,
  'who may call the internals is exactly this'
);
select results_eq(
  $$
    select p.oid::regprocedure::text collate "default"
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace and has_function_privilege('anon', p.oid, 'execute')
  $$,
  $$select ''::text where false$$,
  'anon calls nothing in public'
);
select results_eq(
  $$
    select p.oid::regprocedure::text collate "default"
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace and has_function_privilege('authenticated', p.oid, 'execute')
    order by 1
  $$,
  $$
    values
      ('public.accept_invitation(text)'), ('public.create_organization(text,text)'),
      ('public.invite_member(text,text)'), ('public.switch_organization(uuid)')
  $$,
  'what clients may call is exactly this'
);

-- The lookup of every statement.
select act_as('authenticated', '{"sub": "not a uuid", "org_id": "neither"}');
select is(auth.org_id(), null, 'what is malformed equals nothing, without an error');
select act_as('authenticated', format('{"sub": "{%s}", "org_id": "%s"}', id(3), id(101)));
select is(auth.org_id(), null, 'another spelling of an id is not the id');
select act_as('authenticated', format('{"sub": "%s", "org_id": "%s", "name": "\u00e4"}', id(3), id(101)));
select is(auth.org_id(), id(101), 'escaped characters elsewhere do no harm');
select act_as('authenticated', format('{"sub": "%s", "org_id": "%s", "name": "\ud800"}', id(3), id(101)));
select is(auth.org_id(), null, 'unless they are none');
reset role;

set local enable_seqscan = off;
prepare membership (text, text) as
select m.org_id
from public.memberships as m
where m.user_id::text = $1 and m.org_id::text = $2;
create function plan_of_membership() returns setof text language plpgsql as $$
begin
  return query execute 'explain (costs off) execute membership (''a'', ''b'')';
end;
$$;
select alike(
  (select string_agg(step, ' ') from plan_of_membership() as step), '%memberships_by_claims%',
  'it is looked up by its index'
);

select finish();
