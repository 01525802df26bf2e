-- Both triggers are there and switched on.
do $$
begin
  if (
    select count(*)
    from pg_catalog.pg_event_trigger as t
    where t.evtname in ('pgrst_ddl_watch', 'pgrst_drop_watch') and t.evtenabled = 'O'
  ) <> 2 then
    raise exception 'event triggers pgrst_ddl_watch and pgrst_drop_watch are missing or off: REST serves an old schema';
  end if;
end;
$$;
