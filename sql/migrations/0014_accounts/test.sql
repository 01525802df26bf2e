select plan(18);

-- A sign-up as Auth writes it.
set local role supabase_auth_admin;
insert into auth.users (id, email, raw_user_meta_data)
values
('00000000-0000-4000-8000-000000000001', 'ada@example.test', '{"name": " Ada "}'),
('00000000-0000-4000-8000-000000000002', 'bob@example.test', null),
('00000000-0000-4000-8000-000000000003', null, '[1]');
reset role;

select results_eq(
  $$
    select p.display_name, o.name, o.slug, m.role
    from public.profiles as p
    join public.memberships as m on m.user_id = p.id
    join public.organizations as o on o.id = m.org_id
    order by p.id
  $$,
  $$
    values
      ('Ada', 'Ada', id(1)::text, 'owner'),
      ('bob', 'bob', id(2)::text, 'owner'),
      ('New user', 'New user', id(3)::text, 'owner')
  $$,
  'an account has a profile and an organisation of its own'
);

-- Whatever a form sends.
select
  lives_ok(
    format($$insert into auth.users (id, email, raw_user_meta_data) values (id(%s), %L, %L)$$, number, email, metadata),
    'signs up: ' || left(metadata, 40)
  )
from (
  values
  (11, '@', '{"name": ""}'),
  (12, 'x', '{"name": "   "}'),
  (13, '', '{"name": null}'),
  (14, 'a@b@c', '{"name": 7}'),
  (15, '  @x', '{"name": {"a": [1]}}'),
  (16, 'y@y', format('{"name": "%s"}', repeat('ä', 5000))),
  (17, 'z@y', '"scalar"'),
  (18, 'q@y', '{"name": "''; drop table public.profiles; --"}')
) as form (number, email, metadata);
select results_eq(
  'select max(length(p.display_name)), max(length(o.name)) from public.profiles as p, public.organizations as o',
  'values (200, 200)',
  'a long name is cut'
);

-- Half an account is none, and says why.
alter table public.profiles add constraint broken check (display_name <> 'broken');
select throws_ok(
  $$insert into auth.users (id, email) values (id(20), 'broken@example.test')$$, '23514', null,
  'a failure is not silent'
);
select is_empty('select from auth.users where id = id(20)', 'and leaves no account');

-- Who sees and edits a profile.
select act_as(1);
select results_eq('select p.id from public.profiles as p', array[id(1)], 'a user alone sees himself');
select results_eq(
  $$update public.profiles set display_name = 'Countess' returning id$$, array[id(1)],
  'and edits himself'
);
select throws_ok('update public.profiles set id = id(2)', '42501', null, 'but becomes nobody else');
reset role;
insert into public.memberships (org_id, user_id, role)
select
  m.org_id,
  p.id,
  'member' as role
from public.memberships as m
cross join public.profiles as p
where m.user_id = id(1) and p.id = id(2);
select act_as(1);
select results_eq('select p.id from public.profiles as p order by 1', array[id(1), id(2)], 'he sees his colleagues');
select results_eq(
  $$update public.profiles set display_name = 'Mine' returning id$$, array[id(1)], 'without editing them'
);
reset role;
select policies_are('public', 'profiles', array['profiles_select', 'profiles_update']);

select finish();
