select plan(24);

select two_tenants();

-- The last owner.
select act_as(1, 101);
select throws_ok('delete from public.memberships where user_id = id(1)', '23001', null, 'the last owner cannot leave');
select throws_ok(
  $$update public.memberships set role = 'member' where user_id = id(1)$$, '23001', null, 'nor step down'
);
select throws_ok(
  'delete from public.memberships where org_id = id(101)', '23001', null, 'nor remove everybody at once'
);
select results_eq(
  $$update public.memberships set role = 'owner' where user_id = id(3) returning role$$, array['owner'],
  'an owner makes another one'
);
select lives_ok($$update public.memberships set role = 'admin' where user_id = id(1)$$, 'and then steps down');
select is(auth.org_role(), 'admin', 'which holds at once');
select is_empty(
  $$update public.memberships set role = 'owner' where user_id = id(1) returning id$$, 'and is not taken back'
);
select results_eq(
  'delete from public.memberships where user_id = id(1) returning user_id', array[id(1)], 'anybody else may leave'
);
reset role;

select act_as('service_role', '{"role": "service_role"}');
select throws_ok(
  'delete from public.memberships where user_id = id(4)', '23001', null, 'the service key keeps to the rule'
);
reset role;
select throws_ok('delete from auth.users where id = id(4)', '23001', null, 'so does the end of the owner''s account');
delete from auth.users
where id = id(6);
select lives_ok('delete from auth.users where id = id(4)', 'unless he was alone');
select isnt_empty('select from public.organizations where id = id(102)', 'the organisation and its data stay');
select lives_ok('delete from public.organizations where id = id(101)', 'an organisation goes with its memberships');

-- Making and switching.
select act_as(5);
select is(auth.org_id(), null, 'a user without an organisation');
select isnt(public.create_organization('Fünf & Söhne', 'five'), null, 'makes one');
select is(auth.org_role(), 'owner', 'and owns it');
select isnt(public.create_organization('Second', 'second'), null, 'makes another');
select lives_ok(
  $$select public.switch_organization(o.id) from public.organizations as o where o.slug = 'second'$$, 'switches to it'
);
select results_eq(
  'select o.slug from public.organizations as o where o.id = auth.org_id()', array['second'], 'and works in it'
);
select throws_ok(
  'select public.switch_organization(id(102))', '42501', 'you are not a member of this organisation',
  'but not to one of others'
);
select throws_ok(
  $$select public.create_organization('Third', 'second')$$, '23505', null, 'a slug is taken once'
);
select act_as('authenticated', '{}');
select throws_ok(
  $$select public.create_organization('Nobody', 'nobody')$$, '42501', 'only a user can make an organisation',
  'nobody makes no organisation'
);
reset role;

select a_user(7);
insert into public.memberships (org_id, user_id, role)
select
  o.id,
  m.user_id,
  'owner' as role
from public.organizations as o
cross join public.memberships as m
where o.slug = 'second' and m.user_id = id(7);
select act_as(5);
delete from public.memberships
where org_id = auth.org_id() and user_id = auth.uid();
select results_eq(
  'select o.slug from public.organizations as o where o.id = auth.org_id()', array['five'],
  'who leaves the organisation he works in goes back to the first'
);
reset role;
select is_empty(
  $$
    select
    from tenancy.current_organizations as c
    where not exists (
      select from public.memberships as m where m.org_id = c.org_id and m.user_id = c.user_id
    )
  $$,
  'nobody works where he is no member'
);

select finish();
