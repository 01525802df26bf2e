-- Auth calls it for every token it issues: the organisation the user works in and the role there go into the claims.
-- Policies take the organisation as a wish and look the membership up again, so an old token opens nothing.
create function tenancy.access_token_hook(event jsonb)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  person uuid := tenancy.to_uuid(event ->> 'user_id');
  organization uuid := tenancy.home_of(person);
  org_claims jsonb;
begin
  -- An answer that is not as Auth expects it makes the login fail: what is odd goes back as it came.
  if jsonb_typeof(event -> 'claims') is distinct from 'object' then
    return event;
  end if;

  select jsonb_build_object('org_id', m.org_id, 'org_role', m.role)
  into org_claims
  from public.memberships as m
  where m.org_id = organization and m.user_id = person;

  return jsonb_set(event, '{claims}', (event -> 'claims') - 'org_id' - 'org_role' || coalesce(org_claims, '{}'));
end;
$$;

comment on function tenancy.access_token_hook(jsonb) is 'Auth''s custom access token hook: adds org_id and org_role.';

grant usage on schema tenancy to supabase_auth_admin;
grant execute on function tenancy.access_token_hook(jsonb) to supabase_auth_admin;
