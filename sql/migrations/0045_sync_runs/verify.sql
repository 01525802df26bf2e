-- Every model has a place where its reading stands.
do $$
declare
  found text;
begin
  select string_agg(m.name, ', ' order by m.position) into found
  from sync.models as m
  where not exists (select from sync.cursors as c where c.model = m.name);
  if found is not null then
    raise exception 'no cursor for %', found;
  end if;
end;
$$;
