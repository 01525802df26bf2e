-- The old is cleared away by schedule, and the next months are made.
do $$
declare
  found text;
begin
  select string_agg(w.name, ', ') into found
  from (values ('sync-partitions'), ('sync-prune'), ('sync-retire')) as w (name)
  where not exists (select from cron.job as j where j.jobname = w.name and j.active);
  if found is not null then
    raise exception 'not scheduled: %', found;
  end if;
end;
$$;
