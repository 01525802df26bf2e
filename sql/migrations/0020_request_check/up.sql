-- REST calls it before every request, as the role of the request. A token outlives what happens to its account: here a
-- deleted or banned one is refused at its next request, and so is a user's token that names no account at all.
create schema rest;
grant usage on schema rest to anon, authenticated, service_role;

create function rest.check_request()
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  -- The role that the request switched to; the function itself runs as its owner.
  if pg_catalog.current_setting('role') <> 'authenticated' then
    return;
  end if;

  if not exists (
    select
    from auth.users as u
    where u.id = tenancy.user_id() and u.deleted_at is null and coalesce(u.banned_until <= now(), true)
  ) then
    -- REST makes the last three digits the status of its answer.
    raise exception using
      errcode = 'PT403',
      message = 'the account of this token is closed',
      hint = 'Sign in again, or ask who runs the platform.';
  end if;
end;
$$;

comment on function rest.check_request() is 'REST''s pre-request function: refuses tokens of closed accounts.';

grant execute on function rest.check_request() to anon, authenticated, service_role;
