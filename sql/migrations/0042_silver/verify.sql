-- Silver has the columns that are read, and nobody but the synchronisation writes it.
do $$
declare
  found text;
begin
  select string_agg(distinct format('%s.%s', m.title, f."column"), ', ') into found
  from sync.fields as f
  join sync.models as m on m.name = f.model
  where not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass(format('silver.%I', m.title)) and a.attname = f."column" and not a.attisdropped
  );
  if found is not null then
    raise exception 'silver lacks %; run sync.make_silver_table in a migration', found;
  end if;

  select string_agg(format('%s may write %s', r.rolname, c.oid::regclass), ', ') into found
  from pg_catalog.pg_class as c
  cross join (values ('anon'), ('authenticated'), ('service_role'), ('workbench')) as r (rolname)
  where
    c.relnamespace in ('silver'::regnamespace, 'gold'::regnamespace) and c.relkind = 'r'
    and has_table_privilege(r.rolname, c.oid, 'insert, update, delete, truncate');
  if found is not null then
    raise exception 'only the synchronisation writes silver and gold: %', found;
  end if;
end;
$$;
