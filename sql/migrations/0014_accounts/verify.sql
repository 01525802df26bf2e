-- New accounts get what belongs to them, and none is without.
do $$
declare
  bare bigint;
begin
  if not exists (
    select
    from pg_catalog.pg_trigger as t
    where t.tgrelid = 'auth.users'::regclass and t.tgname = 'platform_welcome' and t.tgenabled = 'O'
  ) then
    raise exception 'trigger platform_welcome on auth.users is missing or off: new accounts have no organisation';
  end if;

  if not exists (
    select
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('public.profiles') and c.relrowsecurity and c.relforcerowsecurity
  ) then
    raise exception 'public.profiles is missing, or without forced row security';
  end if;

  select count(*) into bare
  from auth.users as u
  where not exists (select from public.profiles as p where p.id = u.id);

  if bare > 0 then
    raise exception '% accounts have no profile', bare;
  end if;
end;
$$;
