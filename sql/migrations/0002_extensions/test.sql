select plan(6);

select results_eq(
  $$
    select e.extname::text collate "default", n.nspname::text collate "default"
    from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
    where e.extname not in ('pgtap', 'pgsodium')
    order by 1
  $$,
  $$
    values
      ('pg_cron', 'pg_catalog'),
      ('pg_stat_statements', 'extensions'),
      ('pgaudit', 'extensions'),
      ('pgcrypto', 'extensions'),
      ('plpgsql', 'pg_catalog'),
      ('uuid-ossp', 'extensions'),
      ('vector', 'extensions')
  $$,
  'the extensions and their schemas are exactly these'
);

set local role authenticated;
select is(
  '[1,2,3]'::extensions.vector operator (extensions.<->) '[1,2,5]'::extensions.vector,
  2::double precision,
  'a client measures distances'
);
select isnt(extensions.crypt('secret', extensions.gen_salt('bf', 4)), null, 'a client hashes');
select throws_ok(
  'select * from extensions.pg_stat_statements', '42501', null, 'a client reads nobody''s query texts'
);
select throws_ok(
  $$select cron.schedule('x', '* * * * *', 'select 1')$$, '42501', null, 'a client schedules nothing'
);
select throws_ok('select * from cron.job', '42501', null, 'a client sees no schedule');
reset role;

select finish();
