-- Bronze has a place for what arrives this month and next, and nobody may change what arrived.
do $$
declare
  found text;
begin
  select string_agg(c.relname, ', ' order by c.relname) into found
  from pg_catalog.pg_class as c
  where
    c.relnamespace = 'bronze'::regnamespace and c.relkind = 'p'
    and to_regclass(format('bronze.%I', c.relname || to_char(now() at time zone 'UTC', '_YYYY_MM'))) is null;
  if found is not null then
    raise exception 'no partition of this month for %; run: select sync.make_partitions()', found;
  end if;

  select string_agg(c.relname, ', ' order by c.relname) into found
  from pg_catalog.pg_class as c
  where
    c.relnamespace = 'bronze'::regnamespace and c.relkind in ('r', 'p')
    and (
      not c.relrowsecurity
      or not exists (
        select from pg_catalog.pg_trigger as t
        where t.tgrelid = c.oid and t.tgfoid = 'sync.refuse_change()'::regprocedure and t.tgenabled = 'O'
      )
      or has_table_privilege('service_role', c.oid, 'insert, update, delete, truncate')
    );
  if found is not null then
    raise exception 'what arrived can be changed in %', found;
  end if;
end;
$$;
