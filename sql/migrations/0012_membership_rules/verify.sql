-- The rule is switched on, and no organisation with members is without an owner.
do $$
declare
  ownerless bigint;
begin
  if not exists (
    select
    from pg_catalog.pg_trigger as t
    where t.tgrelid = 'public.memberships'::regclass and t.tgname = 'keep_an_owner' and t.tgenabled = 'O'
  ) then
    raise exception 'trigger keep_an_owner on public.memberships is missing or off';
  end if;

  select count(*) into ownerless
  from (
    select
    from public.memberships as m
    group by m.org_id
    having count(*) filter (where m.role = 'owner') = 0
  ) as organization;

  if ownerless > 0 then
    raise exception '% organisations have members and no owner: give each one back an owner', ownerless;
  end if;
end;
$$;
