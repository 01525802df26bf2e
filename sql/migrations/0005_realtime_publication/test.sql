select plan(2);

select results_eq(
  $$
    select p.pubname::text collate "default", p.puballtables, p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate
    from pg_catalog.pg_publication as p
  $$,
  $$values ('supabase_realtime', false, true)$$,
  'one publication, for chosen tables and every kind of change'
);

select is_empty(
  $$select t.tablename from pg_catalog.pg_publication_tables as t where t.pubname = 'supabase_realtime'$$,
  'no table is broadcast unless it is added'
);

select finish();
