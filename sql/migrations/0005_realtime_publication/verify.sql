-- Realtime finds its publication, and nobody turned it into one for every table.
do $$
begin
  if not exists (select from pg_catalog.pg_publication as p where p.pubname = 'supabase_realtime') then
    raise exception 'publication supabase_realtime is missing: clients receive no changes';
  end if;

  if exists (select from pg_catalog.pg_publication as p where p.pubname = 'supabase_realtime' and p.puballtables) then
    raise exception 'publication supabase_realtime holds every table: add tables one by one';
  end if;
end;
$$;
