-- Every extension is installed and works, not merely named in the catalogue.
do $$
declare
  missing text;
begin
  select string_agg(expected.name, ', ' order by expected.name)
  into missing
  from unnest(array['pg_stat_statements', 'pgaudit', 'pgcrypto', 'uuid-ossp', 'vector', 'pg_cron']) as expected (name)
  where not exists (select from pg_catalog.pg_extension as e where e.extname = expected.name);

  if missing is not null then
    raise exception 'extensions are missing: %', missing;
  end if;

  perform from extensions.pg_stat_statements limit 1;

  if extensions.digest('platform', 'sha256') is null then
    raise exception 'pgcrypto does not answer';
  end if;

  if '[1,2,3]'::extensions.vector operator(extensions.<->) '[1,2,4]'::extensions.vector <> 1 then
    raise exception 'vector does not answer';
  end if;
end;
$$;
