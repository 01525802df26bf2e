-- What an account has from its first moment: a profile and an organisation of its own.
create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  display_name text not null,
  created_at timestamptz not null default now(),
  constraint profiles_display_name_has_at_most_200_characters check (length(display_name) <= 200)
);

-- A user sees his own and his colleagues', and edits his own.
alter table public.profiles enable row level security, force row level security;
grant select on public.profiles to authenticated;
grant update (display_name) on public.profiles to authenticated;

create policy profiles_select on public.profiles
for select to authenticated
using (
  id = (select tenancy.user_id())
  or id in (
    select m.user_id
    from public.memberships as m
    where m.org_id = (select auth.org_id())
  )
);

create policy profiles_update on public.profiles
for update to authenticated
using (id = (select tenancy.user_id()))
with check (id = (select tenancy.user_id()));

-- Whatever a sign-up form sends as a name, the account is made: the name is cut to what the tables take.
create function tenancy.welcome(account auth.users)
returns void
language plpgsql
set search_path = ''
as $$
declare
  label text := left(
    coalesce(
      nullif(btrim(account.raw_user_meta_data ->> 'name'), ''),
      nullif(btrim(split_part(account.email, '@', 1)), ''),
      'New user'
    ),
    200
  );
begin
  insert into public.profiles (id, display_name)
  values (account.id, label)
  on conflict (id) do nothing;

  if exists (select from public.memberships as m where m.user_id = account.id) then
    return;
  end if;

  with made as (
    insert into public.organizations (name, slug)
    values (label, account.id::text)
    returning id
  )

  insert into public.memberships (org_id, user_id, role)
  select made.id, account.id, 'owner'
  from made;
end;
$$;

-- An error here undoes the account: half an account would fail later, where nobody looks for the reason.
create function tenancy.welcome_new_account()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform tenancy.welcome(new);
  return null;
end;
$$;

create trigger platform_welcome
after insert on auth.users
for each row
execute function tenancy.welcome_new_account();

-- Accounts that were there before.
do $$
begin
  perform tenancy.welcome(u) from auth.users as u;
end;
$$;
