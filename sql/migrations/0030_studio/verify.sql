-- Neither role has become more than it was made.
do $$
declare
  wrong text;
begin
  select string_agg(expected.name, ', ' order by expected.name)
  into wrong
  from (values ('studio', true), ('supabase_read_only_user', false)) as expected (name, bypasses)
  where not exists (
    select
    from pg_catalog.pg_roles as r
    where
      r.rolname = expected.name
      and r.rolcanlogin
      and r.rolbypassrls = expected.bypasses
      and r.rolconnlimit > 0
      and not (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
  );

  if wrong is not null then
    raise exception 'roles of Studio that are missing or may do more than they should: %', wrong;
  end if;
end;
$$;
