-- For tests only, beside pgTAP: a small world of two tenants, and who acts in it.

create function pgtap.id(number int)
returns uuid
language sql
immutable
return ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid;

create function pgtap.a_user(number int)
returns uuid
language sql
as $$
  insert into auth.users (id, email, email_confirmed_at)
  values (pgtap.id(number), format('user%s@example.test', number), now())
  returning id
$$;

-- Users 1 owner, 2 admin, 3 member of A (101); 4 owner, 6 member of B (102); 5 was removed from A. Nobody has an
-- organisation of his own.
create function pgtap.two_tenants()
returns void
language plpgsql
as $$
begin
  perform pgtap.a_user(n) from generate_series(1, 6) as n;
  delete from public.organizations;
  insert into public.organizations (id, name, slug) values (pgtap.id(101), 'A', 'a'), (pgtap.id(102), 'B', 'b');
  insert into public.memberships (id, org_id, user_id, role)
  values
    (pgtap.id(201), pgtap.id(101), pgtap.id(1), 'owner'),
    (pgtap.id(202), pgtap.id(101), pgtap.id(2), 'admin'),
    (pgtap.id(203), pgtap.id(101), pgtap.id(3), 'member'),
    (pgtap.id(204), pgtap.id(102), pgtap.id(4), 'owner'),
    (pgtap.id(205), pgtap.id(101), pgtap.id(5), 'member'),
    (pgtap.id(206), pgtap.id(102), pgtap.id(6), 'member');
  delete from public.memberships where id = pgtap.id(205);
end;
$$;

-- For the rest of the transaction, the next statements are a request with these claims. `reset role` ends it.
create function pgtap.act_as(role_name text, claims text)
returns void
language plpgsql
as $$
begin
  perform set_config('request.jwt.claims', claims, true);
  perform set_config('role', role_name, true);
end;
$$;

create function pgtap.act_as(user_number int, org_number int default null)
returns void
language sql
as $$
  select pgtap.act_as(
    'authenticated',
    jsonb_strip_nulls(
      jsonb_build_object('role', 'authenticated', 'sub', pgtap.id(user_number), 'org_id', pgtap.id(org_number))
    )::text
  )
$$;
