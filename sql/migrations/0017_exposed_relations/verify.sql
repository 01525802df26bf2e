-- The check is switched on.
do $$
begin
  if not exists (
    select
    from pg_catalog.pg_event_trigger as t
    where t.evtname = 'refuse_unprotected_relations' and t.evtenabled = 'O'
  ) then
    raise exception 'event trigger refuse_unprotected_relations is missing or off: a table may be left open';
  end if;

  if not exists (
    select
    from pg_catalog.pg_trigger as t
    where
      t.tgrelid = 'tenancy.changed_relations'::regclass
      and t.tgname = 'refuse_unprotected_relation'
      and t.tgenabled = 'O'
      and t.tginitdeferred
  ) then
    raise exception 'trigger refuse_unprotected_relation is missing or off: a table may be left open';
  end if;
end;
$$;
