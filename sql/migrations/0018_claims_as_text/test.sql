select plan(5);

select two_tenants();

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
