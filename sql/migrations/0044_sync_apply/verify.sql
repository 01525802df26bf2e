-- The checks of every model can be made: a field whose reading is no SQL would stop the first record of its model.
do $$
declare
  target record;
begin
  for target in
    select m.name, m.title, string_agg(sync.reading(f), ', ') as readings, string_agg(sync.refusal(f), ', ') as refusals
    from sync.models as m
    join sync.fields as f on f.model = m.name
    group by m.name, m.title
  loop
    execute format('select %s, %s from bronze.%I as r limit 0', target.readings, target.refusals, 'raw_odoo_' || target.title);
  end loop;
end;
$$;
