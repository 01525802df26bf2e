-- The heartbeat can be written, and nobody but superusers writes it, or reads it unless he reads everything.
do $$
declare
  others text;
begin
  if to_regclass('backup.markers') is null then
    raise exception 'table backup.markers is missing: restores cannot be compared with what was true';
  end if;

  select string_agg(r.rolname, ', ' order by r.rolname)
  into others
  from pg_catalog.pg_roles as r
  where
    not r.rolsuper
    and (
      has_schema_privilege(r.oid, 'backup', 'create')
      or has_table_privilege(r.oid, 'backup.markers', 'insert, update, delete, truncate, references, trigger')
      -- Who reads everything, as the dashboard does, reads this too.
      or not pg_has_role(r.oid, 'pg_read_all_data', 'usage')
      and (has_schema_privilege(r.oid, 'backup', 'usage') or has_table_privilege(r.oid, 'backup.markers', 'select'))
    )
    and r.rolname !~ '^pg_';

  if others is not null then
    raise exception 'schema backup is open to %', others;
  end if;
end;
$$;
