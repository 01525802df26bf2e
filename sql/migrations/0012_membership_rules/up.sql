-- An organisation with members has an owner, whoever changes its memberships. Rows go without this rule only together
-- with their organisation, or with a user who was alone in it.
create function tenancy.keep_an_owner()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- Two owners who leave at the same moment wait for each other here.
  perform from public.organizations as o where o.id = old.org_id for no key update;

  if not found or exists (select from public.memberships as m where m.org_id = old.org_id and m.role = 'owner') then
    return null;
  end if;

  if not exists (select from auth.users as u where u.id = old.user_id)
    and not exists (select from public.memberships as m where m.org_id = old.org_id) then
    return null;
  end if;

  raise exception using
    errcode = 'restrict_violation',
    message = 'the organisation would be left without an owner',
    hint = 'Make another member an owner first.';
end;
$$;

create trigger keep_an_owner
after update or delete on public.memberships
for each row
when (old.role = 'owner')
execute function tenancy.keep_an_owner();

-- Who makes an organisation owns it.
create function public.create_organization(name text, slug text)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  person uuid := tenancy.user_id();
  made uuid;
begin
  if not exists (select from auth.users as u where u.id = person) then
    raise exception using errcode = 'insufficient_privilege', message = 'only a user can make an organisation';
  end if;

  insert into public.organizations (name, slug)
  values (create_organization.name, create_organization.slug)
  returning id into made;

  insert into public.memberships (org_id, user_id, role)
  values (made, person, 'owner');

  return made;
end;
$$;

comment on function public.create_organization(text, text) is
'Makes an organisation that the caller owns; returns its id.';

create function public.switch_organization(org_id uuid)
returns void
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  insert into tenancy.current_organizations (user_id, org_id)
  select m.user_id, m.org_id
  from public.memberships as m
  where m.org_id = switch_organization.org_id and m.user_id = tenancy.user_id()
  on conflict (user_id) do update set org_id = excluded.org_id;

  if not found then
    raise exception using errcode = 'insufficient_privilege', message = 'you are not a member of this organisation';
  end if;
end;
$$;

comment on function public.switch_organization(uuid) is
'Chooses the organisation the caller works in. A token keeps the one it was made for: refresh it afterwards.';

grant execute on function public.create_organization(text, text), public.switch_organization(uuid) to authenticated;
