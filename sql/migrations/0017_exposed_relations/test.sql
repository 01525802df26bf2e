select plan(14);

select results_eq(
  $$
    select s.name::text collate "default"
    from tenancy.exposed_schemas as s
    order by 1
  $$,
  array['gold', 'odoo', 'public', 'rest', 'silver'],
  'the schemas of ours that clients reach are exactly these'
);

-- What a commit would do, at once.
create table public.open_table (id int);
select throws_ok(
  'set constraints all immediate', '42501',
  'table public.open_table has no row security, in a schema that clients reach',
  'a table without row security'
);
drop table public.open_table;

create table public.closed_table (id int);
alter table public.closed_table enable row level security;
select lives_ok('set constraints all immediate', 'a table that got it in the same transaction');
set constraints all deferred;

create table gold.open_copy as
select 1 as id;
select throws_ok('set constraints all immediate', '42501', null, 'a table made from a query');
drop table gold.open_copy;
select lives_ok('set constraints all immediate', 'a table that is gone again');
set constraints all deferred;

alter table public.closed_table disable row level security;
select throws_ok('set constraints all immediate', '42501', null, 'row security switched off');
alter table public.closed_table enable row level security;
select lives_ok('set constraints all immediate', 'and on again');
set constraints all deferred;

create table bronze.moving (id int);
select lives_ok('set constraints all immediate', 'a table that clients do not reach');
set constraints all deferred;
alter table bronze.moving set schema public;
select throws_ok('set constraints all immediate', '42501', null, 'until it moves to where they do');
alter table public.moving set schema bronze;

create view public.open_view as
select c.id
from public.closed_table as c;
select throws_ok(
  'set constraints all immediate', '42501',
  'view public.open_view reads with the rights of its owner, in a schema that clients reach', 'a view past row security'
);
alter view public.open_view set (security_invoker = true);
select lives_ok('set constraints all immediate', 'a view that keeps to it');
set constraints all deferred;

create foreign data wrapper nothing; -- noqa: PRS
create server nowhere foreign data wrapper nothing;
create foreign table public.far (id int) server nowhere;
select throws_ok('set constraints all immediate', '42501', null, 'a foreign table');
drop foreign table public.far;

set local role supabase_auth_admin;
create table auth.owned_by_auth (id int);
select lives_ok('set constraints all immediate', 'a service decides about its own schema');
reset role;
select is_empty('select from tenancy.changed_relations', 'nothing is left of the check');

select finish();
