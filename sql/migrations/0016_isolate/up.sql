-- One call makes any table with a column org_id a table of tenants: select tenancy.isolate('gold.invoices');
create function tenancy.isolate(target regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  own_policies text[] := array['tenant_select', 'tenant_insert', 'tenant_update', 'tenant_delete'];
  own_rows text := 'org_id = (select auth.org_id())';
  org_column smallint;
  others text;
  sequence regclass;
  policy text;
begin
  if not exists (select from pg_catalog.pg_class as c where c.oid = target and c.relkind in ('r', 'p')) then
    raise exception '% is not a table', target;
  end if;

  select a.attnum into org_column
  from pg_catalog.pg_attribute as a
  where a.attrelid = target and a.attname = 'org_id' and a.atttypid = 'pg_catalog.uuid'::regtype and not a.attisdropped;

  if org_column is null then
    raise exception '% has no column org_id of type uuid', target
      using hint = 'Add it and give every row its organisation, then call tenancy.isolate again.';
  end if;

  -- Policies add up: one that lets more through would undo these four.
  select string_agg(p.polname, ', ' order by p.polname) into others
  from pg_catalog.pg_policy as p
  where p.polrelid = target and p.polpermissive and p.polname <> all (own_policies);

  if others is not null then
    raise exception '% has policies of its own, which would widen these: %', target, others
      using hint = 'Drop them, or write all policies of the table by hand.';
  end if;

  execute format('alter table %s enable row level security, force row level security', target);
  execute format(
    'alter table %s alter column org_id set not null, alter column org_id set default auth.org_id()', target
  );

  if not exists (
    select from pg_catalog.pg_constraint as k
    where k.conrelid = target and k.contype = 'f' and k.confrelid = 'public.organizations'::regclass
      and k.conkey = array[org_column]
  ) then
    execute format('alter table %s add foreign key (org_id) references public.organizations (id)', target);
  end if;

  if not exists (
    select
    from pg_catalog.pg_index as i
    where i.indrelid = target and i.indkey[0] = org_column and i.indpred is null and i.indisvalid
  ) then
    execute format('create index on %s (org_id)', target);
  end if;

  foreach policy in array own_policies loop
    execute format('drop policy if exists %I on %s', policy, target);
  end loop;

  execute format('create policy tenant_select on %s for select to authenticated using (%s)', target, own_rows);
  execute format('create policy tenant_insert on %s for insert to authenticated with check (%s)', target, own_rows);
  execute format(
    'create policy tenant_update on %s for update to authenticated using (%s) with check (%s)', target, own_rows, own_rows
  );
  execute format('create policy tenant_delete on %s for delete to authenticated using (%s)', target, own_rows);

  execute format('revoke all on %s from public, anon, authenticated', target);
  execute format('grant select, insert, update, delete on %s to authenticated, service_role', target);

  for sequence in
    select d.objid::regclass
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
    where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = target
      and d.deptype = 'a'
  loop
    execute format('grant usage on sequence %s to authenticated, service_role', sequence);
  end loop;
end;
$$;

comment on function tenancy.isolate(regclass) is
'Keeps the rows of a table apart by org_id: policies for every verb, forced row security, index, foreign key, grants.';
