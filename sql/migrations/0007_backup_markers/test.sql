select plan(6);

select results_eq(
  $$
    select c.relname::text collate "default", c.relkind::text collate "default",
      pg_catalog.pg_get_userbyid(c.relowner)::text collate "default", c.relrowsecurity
    from pg_catalog.pg_class as c
    where c.relnamespace = 'backup'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'S')
    order by 1
  $$,
  $$
    values
      ('markers', 'r', 'postgres', true),
      ('markers_id_seq', 'S', 'postgres', false)
  $$,
  'the schema holds exactly this'
);

select is_empty(
  $$
    select r.rolname
    from pg_catalog.pg_roles as r
    where not r.rolsuper and r.rolname !~ '^pg_'
      and (
        has_schema_privilege(r.oid, 'backup', 'usage, create') and not pg_has_role(r.oid, 'pg_read_all_data', 'usage')
        or has_table_privilege(r.oid, 'backup.markers', 'insert, update, delete, truncate, references, trigger')
      )
  $$,
  'nobody but superusers has a part in it, and nobody but the dashboard sees it'
);

insert into backup.markers (marker) values ('marker-1'), ('marker-2');
select results_eq(
  'select m.id > 0, m.marker, m.created_at <= clock_timestamp() from backup.markers as m order by m.id',
  $$values (true, 'marker-1', true), (true, 'marker-2', true)$$,
  'a marker gets its number and its time'
);
select throws_ok(
  $$insert into backup.markers (marker) values ('marker-1')$$, '23505', null, 'a name stands for one moment only'
);

set local role service_role;
select throws_ok('select * from backup.markers', '42501', null, 'the service key does not read markers');
reset role;
set local role authenticated;
select throws_ok(
  $$insert into backup.markers (marker) values ('forged')$$, '42501', null, 'a client does not write markers'
);
reset role;

select finish();
