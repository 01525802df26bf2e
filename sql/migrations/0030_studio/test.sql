select plan(13);

select two_tenants();
create table bronze.arrived (id int);
insert into bronze.arrived values (1);

set local session authorization studio;
select isnt_empty('select * from public.memberships', 'Studio sees rows of every tenant');
select isnt_empty('select * from auth.users', 'and the accounts');
select lives_ok('select * from extensions.pg_stat_statements', 'and slow queries');
select lives_ok($$update public.organizations set name = 'edited'$$, 'it edits rows');
select throws_ok('create table public.own (id int)', '42501', null, 'it creates no table');
select throws_ok('alter table public.organizations add own int', '42501', null, 'it changes no table');
select throws_ok('create role own', '42501', null, 'it creates no role');
select throws_ok('set local role supabase_admin', '42501', null, 'it becomes no superuser');
select throws_ok(
  $$copy public.organizations to program 'true'$$, '42501', null, 'it runs no program on the server'
);
reset session authorization;

set local session authorization supabase_read_only_user;
select is_empty('select * from public.memberships', 'who only reads sees no row of a tenant');
select is_empty('select * from auth.users', 'nor an account');
select throws_ok('set local role service_role', '42501', null, 'and cannot step around row policies');
select throws_ok('insert into bronze.arrived values (2)', '42501', null, 'nor write');
reset session authorization;

select finish();
