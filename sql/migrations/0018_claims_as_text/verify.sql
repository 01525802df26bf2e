-- The index that every statement uses is there and whole.
do $$
begin
  if not exists (
    select
    from pg_catalog.pg_index as i
    where i.indexrelid = to_regclass('public.memberships_by_claims') and i.indisunique and i.indisvalid
  ) then
    raise exception 'index public.memberships_by_claims is missing or not valid: every statement reads all memberships';
  end if;
end;
$$;
