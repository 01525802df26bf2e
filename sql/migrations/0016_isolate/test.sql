select plan(33);

select two_tenants();

create table public.notes (id serial primary key, org_id uuid, body text);
insert into public.notes (org_id, body)
values
('00000000-0000-4000-8000-000000000101', 'of A'), ('00000000-0000-4000-8000-000000000102', 'of B');
select lives_ok($$select tenancy.isolate('public.notes')$$, 'one call');

select results_eq(
  'select c.relrowsecurity, c.relforcerowsecurity from pg_class as c where c.oid = $$public.notes$$::regclass',
  'values (true, true)', 'row security is on and forced'
);
select policies_are('public', 'notes', array['tenant_select', 'tenant_insert', 'tenant_update', 'tenant_delete']);
select policy_cmd_is('public', 'notes', 'tenant_select', 'select', 'a policy for reading');
select policy_cmd_is('public', 'notes', 'tenant_insert', 'insert', 'one for inserting');
select policy_cmd_is('public', 'notes', 'tenant_update', 'update', 'one for updating');
select policy_cmd_is('public', 'notes', 'tenant_delete', 'delete', 'one for deleting');
select policy_roles_are('public', 'notes', verb, array['authenticated'], verb || ' is for authenticated alone')
from unnest(array['tenant_select', 'tenant_insert', 'tenant_update', 'tenant_delete']) as verb;
select col_not_null('public', 'notes', 'org_id', 'no row is without its organisation');
select has_index('public', 'notes', 'notes_org_id_idx', array['org_id'], 'the policies have their index');
select fk_ok('public', 'notes', array['org_id'], 'public', 'organizations', array['id']);
select table_privs_are('public', 'notes', 'authenticated', array['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
select table_privs_are('public', 'notes', 'service_role', array['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
select table_privs_are('public', 'notes', 'anon', array[]::text[]);
select table_privs_are('public', 'notes', 'workbench', array[]::text[]);

select act_as(3, 101);
select results_eq('select n.body from public.notes as n', array['of A'], 'a member sees his organisation''s rows');
select lives_ok($$insert into public.notes (body) values ('new')$$, 'a new row is his organisation''s by itself');
select throws_ok(
  $$insert into public.notes (org_id, body) values (id(102), 'foreign')$$, '42501', null, 'not another''s'
);
select throws_ok('update public.notes set org_id = id(102)', '42501', null, 'a row does not change sides');
select results_eq(
  $$update public.notes set body = 'changed' returning org_id$$, array[id(101), id(101)], 'he changes his own'
);
select results_eq('delete from public.notes returning org_id', array[id(101), id(101)], 'and deletes his own');
select throws_ok('truncate public.notes', '42501', null, 'but never everything');
select act_as(5, 101);
select throws_ok(
  $$insert into public.notes (body) values ('lost')$$, '42501', null, 'without an organisation there is nothing to own'
);
reset role;

-- A reader is held by the policies even where somebody granted too much, and whatever he claims.
grant select on public.notes to workbench;
select act_as('workbench', format('{"sub": "%s", "org_id": "%s", "role": "authenticated"}', id(4), id(102)));
select is_empty('select from public.notes', 'claims of his own making open nothing to a reader');
reset role;

select lives_ok($$select tenancy.isolate('public.notes')$$, 'it may be called again');
create policy open on public.notes for select to authenticated using (true);
select throws_like(
  $$select tenancy.isolate('public.notes')$$, '%has policies of its own, which would widen these: open',
  'policies that would widen it are refused'
);
create table public.untenanted (id int);
select throws_like(
  $$select tenancy.isolate('public.untenanted')$$, '%has no column org_id%', 'a table without org_id is refused'
);
create view public.some_view as
select 1 as org_id;
select throws_like($$select tenancy.isolate('public.some_view')$$, '%is not a table', 'a view is refused');
create table public.gaps (org_id uuid);
insert into public.gaps default values;
select throws_ok($$select tenancy.isolate('public.gaps')$$, '23502', null, 'rows without organisation are refused');
create table public.strangers (org_id uuid);
insert into public.strangers (org_id)
values ('00000000-0000-4000-8000-000000000999');
select throws_ok($$select tenancy.isolate('public.strangers')$$, '23503', null, 'rows of nobody are refused');

select finish();
