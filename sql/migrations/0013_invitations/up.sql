-- The only way into an organisation: an invitation for one address, once, for a week. The token is shown to its maker
-- and kept as a hash; it is 256 random bits, so the hash tells nothing.
create table public.invitations (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references public.organizations (id) on delete cascade,
  email text not null,
  role text not null default 'member',
  token_hash bytea not null unique,
  -- Null: the service key made it. A user's invitations go with the user.
  invited_by uuid references auth.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '7 days',
  accepted_at timestamptz,
  accepted_by uuid references auth.users (id) on delete set null,
  constraint invitations_email_is_a_lower_case_address check (email ~ '^[^@\s]+@[^@\s]+$' and email = lower(email)),
  constraint invitations_role_is_known check (role in ('owner', 'admin', 'member'))
);

create unique index invitations_one_open_for_an_address on public.invitations (org_id, email)
where accepted_at is null;
create index on public.invitations (org_id);
create index on public.invitations (invited_by);
create index on public.invitations (accepted_by);

-- Owners and admins see what is open and what was accepted, and withdraw what is open.
alter table public.invitations enable row level security, force row level security;
grant select, delete on public.invitations to authenticated;

create policy invitations_select on public.invitations
for select to authenticated
using (org_id = (select auth.org_id()) and (select auth.org_role()) in ('owner', 'admin'));

create policy invitations_delete on public.invitations
for delete to authenticated
using (
  org_id = (select auth.org_id())
  and accepted_at is null
  and ((select auth.org_role()) = 'owner' or ((select auth.org_role()) = 'admin' and role = 'member'))
);

-- Admins handle members, owners handle everybody: the same rule as for removing.
create function tenancy.may_appoint(own_role text, wanted_role text)
returns boolean
language sql
immutable
parallel safe
return coalesce(own_role = 'owner' or (own_role = 'admin' and wanted_role = 'member'), false);

create function tenancy.hash_of(token text)
returns bytea
language sql
immutable
parallel safe
return pg_catalog.sha256(pg_catalog.convert_to(token, 'UTF8'));

-- The address an account has proven to be its own.
create function tenancy.verified_email(person uuid)
returns text
language sql
stable
set search_path = ''
as $$
  select lower(u.email)
  from auth.users as u
  where u.id = person and u.email_confirmed_at is not null
$$;

create function public.invite_member(email text, role text default 'member')
returns text
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  token text := encode(extensions.gen_random_bytes(32), 'hex');
begin
  if not tenancy.may_appoint(auth.org_role(), invite_member.role) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('you may not invite somebody as %s here', invite_member.role),
      hint = 'Owners invite anybody, admins invite members.';
  end if;

  insert into public.invitations (org_id, email, role, token_hash, invited_by)
  values (
    auth.org_id(), lower(btrim(invite_member.email)), invite_member.role, tenancy.hash_of(token), tenancy.user_id()
  )
  on conflict (org_id, email) where accepted_at is null do update
  set
    role = excluded.role,
    token_hash = excluded.token_hash,
    invited_by = excluded.invited_by,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at
  where tenancy.may_appoint(auth.org_role(), invitations.role);

  if not found then
    raise exception using
      errcode = 'insufficient_privilege',
      message = 'an owner has already invited this address with a higher role';
  end if;

  return token;
end;
$$;

comment on function public.invite_member(text, text) is
'Invites an address into the caller''s organisation; returns the token, shown this once. It replaces an open one.';

create function public.accept_invitation(token text)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  person uuid := tenancy.user_id();
  invitation public.invitations;
begin
  -- Two who accept at the same moment wait for each other here; the second finds it used.
  select i.* into invitation
  from public.invitations as i
  where i.token_hash = tenancy.hash_of(accept_invitation.token)
  for update;

  if invitation.id is null or invitation.accepted_at is not null or invitation.expires_at <= now()
    -- Who has lost the right to invite takes the open invitations along.
    or (
      invitation.invited_by is not null
      and not exists (
        select
        from public.memberships as m
        where
          m.org_id = invitation.org_id
          and m.user_id = invitation.invited_by
          and tenancy.may_appoint(m.role, invitation.role)
      )
    ) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = 'this invitation is unknown, used, expired or withdrawn',
      hint = 'Ask for a new one.';
  end if;

  if tenancy.verified_email(person) is distinct from invitation.email then
    raise exception using
      errcode = 'insufficient_privilege',
      message = 'this invitation is for another address, or the address is not confirmed yet',
      hint = 'Sign in with the address that was invited, and confirm it.';
  end if;

  insert into public.memberships (org_id, user_id, role)
  values (invitation.org_id, person, invitation.role)
  on conflict (org_id, user_id) do nothing;

  update public.invitations as i
  set accepted_at = now(), accepted_by = person
  where i.id = invitation.id;

  perform public.switch_organization(invitation.org_id);
  return invitation.org_id;
end;
$$;

comment on function public.accept_invitation(text) is
'Joins the organisation the token invites to and switches to it; returns its id. For the confirmed address, once.';

grant execute on function public.invite_member(text, text), public.accept_invitation(text) to authenticated;
