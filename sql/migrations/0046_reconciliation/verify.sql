-- What is summed by day exists in silver.
do $$
declare
  found text;
begin
  select string_agg(format('%s.%s', m.title, c.name), ', ') into found
  from sync.models as m
  cross join unnest(m.sum_columns || m.day_column) as c (name)
  where c.name is not null and not exists (select from sync.fields as f where f.model = m.name and f."column" = c.name);
  if found is not null then
    raise exception 'reconciliation names columns that are not read: %', found;
  end if;
end;
$$;
