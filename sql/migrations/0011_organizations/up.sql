-- Tenants: organisations, who belongs to them, and the two functions every row policy asks. What a token says about the
-- organisation is a wish; the membership table decides, at every statement.

-- Internals that clients never name.
create schema tenancy;

create table public.organizations (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  slug text not null unique,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  constraint organizations_id_is_not_all_zero check (id <> '00000000-0000-0000-0000-000000000000'),
  constraint organizations_name_has_1_to_200_characters check (length(btrim(name)) > 0 and length(name) <= 200),
  constraint organizations_slug_is_words_joined_by_dashes
  check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 63)
);

create table public.memberships (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references public.organizations (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null default 'member',
  created_at timestamptz not null default now(),
  unique (org_id, user_id),
  constraint memberships_role_is_known check (role in ('owner', 'admin', 'member'))
);

create index on public.memberships (user_id);

-- What every statement asks: claims are compared as the text they are, because what is malformed equals no id.
create unique index memberships_by_claims on public.memberships ((user_id::text), (org_id::text));

-- The organisation a user works in, once chosen. It ends with the membership.
create table tenancy.current_organizations (
  user_id uuid primary key,
  org_id uuid not null,
  foreign key (org_id, user_id) references public.memberships (org_id, user_id) on delete cascade
);

create index on tenancy.current_organizations (org_id, user_id);

-- Claims that are missing or not well-formed are no claims: they never raise an error and never stand for a tenant.
-- This runs at every statement of every request, so it takes cheap steps: json is read in a third of jsonb's time, and
-- only escaped characters, which json takes but may fail to give out, need jsonb's opinion.
create function tenancy.claims()
returns json
language sql
stable
parallel safe
return case
  when
    pg_catalog.current_setting('request.jwt.claims', true) is json object
    and (
      pg_catalog.strpos(pg_catalog.current_setting('request.jwt.claims', true), '\u') = 0
      or pg_catalog.pg_input_is_valid(pg_catalog.current_setting('request.jwt.claims', true), 'jsonb')
    )
    then pg_catalog.current_setting('request.jwt.claims', true)::json
end;

create function tenancy.to_uuid(value text)
returns uuid
language sql
stable
parallel safe
return case
  when
    value like '________-____-____-____-____________'
    and pg_catalog.translate(value, '0123456789abcdefABCDEF', '') = '----'
    then value::uuid
end;

-- As auth.uid() finds it.
create function tenancy.subject_of(claims json)
returns text
language sql
stable
parallel safe
return coalesce(nullif(pg_catalog.current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');

create function tenancy.user_id()
returns uuid
language plpgsql
stable
parallel safe
security definer
set search_path = ''
as $$
begin
  return tenancy.to_uuid(tenancy.subject_of(tenancy.claims()));
end;
$$;

comment on function tenancy.user_id() is 'The user of the request; null without a well-formed claim.';

create function tenancy.home_of(person uuid)
returns uuid
language plpgsql
stable
parallel safe
security definer
set search_path = ''
as $$
declare
  found uuid;
begin
  select c.org_id into found from tenancy.current_organizations as c where c.user_id = person;

  if found is null then
    select m.org_id into found
    from public.memberships as m
    where m.user_id = person
    order by m.created_at, m.org_id
    limit 1;
  end if;

  return found;
end;
$$;

comment on function tenancy.home_of(uuid) is 'The organisation a user works in: the chosen one, or the first joined.';

create function auth.org_id()
returns uuid
language plpgsql
stable
parallel safe
security definer
set search_path = ''
as $$
declare
  claims json := tenancy.claims();
  subject text := tenancy.subject_of(claims);
  claimed text := claims ->> 'org_id';
  found uuid;
begin
  if claimed is null then
    return tenancy.home_of(tenancy.to_uuid(subject));
  end if;

  select m.org_id into found
  from public.memberships as m
  where m.user_id::text = subject and m.org_id::text = claimed;

  return found;
end;
$$;

comment on function auth.org_id() is
'The organisation of the request: the token''s, or the user''s current one; null unless the user is a member now.';

create function auth.org_role()
returns text
language plpgsql
stable
parallel safe
security definer
set search_path = ''
as $$
declare
  organization uuid := auth.org_id();
  person uuid := tenancy.user_id();
  found text;
begin
  select m.role into found from public.memberships as m where m.org_id = organization and m.user_id = person;
  return found;
end;
$$;

comment on function auth.org_role() is 'owner, admin or member: what the user is in auth.org_id() now.';

-- Policies and column defaults call these as the role of the request.
grant execute on function tenancy.user_id() to authenticated;
grant execute on function auth.org_id(), auth.org_role() to authenticated, service_role;

-- A member sees the organisations he belongs to; owners and admins describe the one they work in. Organisations are
-- made by a function and removed by the service key.
alter table public.organizations enable row level security, force row level security;
grant select on public.organizations to authenticated;
grant update (name, slug, settings) on public.organizations to authenticated;

create policy organizations_select on public.organizations
for select to authenticated
using (
  id in (
    select m.org_id
    from public.memberships as m
    where m.user_id = (select tenancy.user_id())
  )
);

create policy organizations_update on public.organizations
for update to authenticated
using (id = (select auth.org_id()) and (select auth.org_role()) in ('owner', 'admin'))
with check (id = (select auth.org_id()) and (select auth.org_role()) in ('owner', 'admin'));

-- A member sees his colleagues and his own memberships elsewhere. Nobody inserts: joining is by invitation. Owners
-- change roles and remove anybody, admins remove members, and everybody may leave.
alter table public.memberships enable row level security, force row level security;
grant select, delete on public.memberships to authenticated;
grant update (role) on public.memberships to authenticated;

create policy memberships_select on public.memberships
for select to authenticated
using (org_id = (select auth.org_id()) or user_id = (select tenancy.user_id()));

create policy memberships_update on public.memberships
for update to authenticated
using (org_id = (select auth.org_id()) and (select auth.org_role()) = 'owner')
with check (org_id = (select auth.org_id()) and (select auth.org_role()) = 'owner');

create policy memberships_delete on public.memberships
for delete to authenticated
using (
  user_id = (select tenancy.user_id())
  or (
    org_id = (select auth.org_id())
    and ((select auth.org_role()) = 'owner' or ((select auth.org_role()) = 'admin' and role = 'member'))
  )
);
