-- The table is closed, and only the function makes invitations.
do $$
begin
  if not exists (
    select
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('public.invitations') and c.relrowsecurity and c.relforcerowsecurity
  ) then
    raise exception 'public.invitations is missing, or without forced row security';
  end if;

  if has_table_privilege('authenticated', 'public.invitations', 'insert, update') then
    raise exception 'clients may write into public.invitations: they could invite themselves';
  end if;

  if not exists (
    select
    from pg_catalog.pg_index as i
    where
      i.indexrelid = to_regclass('public.invitations_one_open_for_an_address') and i.indisunique and i.indisvalid
  ) then
    raise exception 'index public.invitations_one_open_for_an_address is missing or not valid';
  end if;
end;
$$;
