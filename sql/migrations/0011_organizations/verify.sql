-- The tables are closed by forced row security, and the function every policy asks runs as its owner, whatever the
-- caller's search path.
do $$
declare
  wrong text;
begin
  select string_agg(expected.name, ', ' order by expected.name)
  into wrong
  from unnest(array['public.organizations', 'public.memberships']) as expected (name)
  where not exists (
    select
    from pg_catalog.pg_class as c
    where c.oid = to_regclass(expected.name) and c.relrowsecurity and c.relforcerowsecurity
  );

  if wrong is not null then
    raise exception 'missing, or without forced row security: %', wrong;
  end if;

  if has_table_privilege('authenticated', 'public.memberships', 'insert') then
    raise exception 'clients may insert into public.memberships: they could join any organisation';
  end if;

  select string_agg(expected.name, ', ' order by expected.name)
  into wrong
  from unnest(array['auth.org_id()', 'auth.org_role()']) as expected (name)
  where not exists (
    select
    from pg_catalog.pg_proc as p
    where p.oid = to_regprocedure(expected.name) and p.prosecdef and p.proconfig = array['search_path=""']
  );

  if wrong is not null then
    raise exception 'missing, or not the function the migrations made: %', wrong;
  end if;

  if auth.org_id() is not null then
    raise exception 'auth.org_id() gives an organisation to a session without claims';
  end if;

  if not exists (
    select
    from pg_catalog.pg_index as i
    where i.indexrelid = to_regclass('public.memberships_by_claims') and i.indisunique and i.indisvalid
  ) then
    raise exception 'index public.memberships_by_claims is missing or not valid: every statement reads all memberships';
  end if;
end;
$$;
