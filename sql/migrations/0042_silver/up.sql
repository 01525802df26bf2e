-- What holds now, typed and by tenant: one row for each record that a tenant has in Odoo. Only the synchronisation
-- writes here; members read their own.

-- Companies of Odoo and whose they are.
create table sync.companies (
  company_id bigint primary key,
  name text not null,
  org_id uuid references public.organizations (id),
  -- Whether the account that reads sees the company. What it no longer sees is not deleted.
  visible boolean not null default true,
  seen_at timestamptz not null default now()
);

create index companies_by_org on sync.companies (org_id);

-- What the operator decided: the organisation of a company, by its slug.
create table sync.company_choices (
  company_id bigint primary key,
  slug text not null
);

create function sync.make_silver_table(model text)
returns void
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  target sync.models;
  field record;
begin
  select * into strict target from sync.models as m where m.name = make_silver_table.model;

  execute format(
    $sql$
      create table if not exists silver.%I (
        org_id uuid not null references public.organizations (id) on delete cascade,
        id bigint not null,
        company_id bigint,
        write_date timestamp not null,
        raw_id bigint not null,
        received_at timestamptz not null,
        primary key (org_id, id)
      )
    $sql$, target.title
  );

  for field in
    select f."column", f.type, bool_and(f.required) as required
    from sync.fields as f
    where f.model = target.name
    group by f."column", f.type
    order by min(f.position)
  loop
    execute format(
      'alter table silver.%I add column if not exists %I %s', target.title, field."column", field.type
    );
  end loop;
end;
$$;

comment on function sync.make_silver_table(text) is
'Makes the table of silver for a model, or adds the columns that sync.fields has and the table lacks.';

create function sync.show_to_members(target regclass)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('alter table %s enable row level security, force row level security', target);
  execute format(
    'create policy tenant_select on %s for select to authenticated using (org_id = (select auth.org_id()))', target
  );
  execute format('revoke insert, update, delete on %s from service_role', target);
  execute format('grant select on %s to authenticated', target);
end;
$$;

comment on function sync.show_to_members(regclass) is
'Lets members read the rows of their organisation, and nobody but the synchronisation write.';

create table sync.quarantine (
  model text not null references sync.models (name),
  source_id bigint not null,
  company_id bigint,
  reason text not null,
  raw_id bigint not null,
  received_at timestamptz not null,
  first_refused_at timestamptz not null default now(),
  primary key (model, source_id)
);

comment on table sync.quarantine is
'Records whose newest version was refused, and why; silver goes on showing the version before.';

create table sync.conflicts (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  model text not null references sync.models (name),
  source_id bigint not null,
  company_id bigint,
  kind text not null check (kind in ('older version arrived later', 'edited by hand')),
  winner text not null,
  reason text not null,
  lost jsonb not null
);

create index conflicts_by_record on sync.conflicts (model, source_id);

comment on table sync.conflicts is 'Where two versions of a record met: which one holds, why, and what the other said.';

-- Records to be written again from bronze, because somebody else wrote them.
create table sync.edited (
  model text not null references sync.models (name),
  source_id bigint not null,
  primary key (model, source_id)
);

create function sync.note_edit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  of_model text := tg_argv[0];
  record_id bigint := coalesce(old.id, new.id);
begin
  insert into sync.conflicts (model, source_id, company_id, kind, winner, reason, lost)
  values (
    of_model, record_id, coalesce(old.company_id, new.company_id), 'edited by hand', 'Odoo',
    format('%s by %s; Odoo''s version is written again', lower(tg_op), session_user),
    jsonb_build_object('row', case when tg_op <> 'DELETE' then to_jsonb(new) end)
  );

  insert into sync.edited (model, source_id) values (of_model, record_id) on conflict do nothing;
  return null;
end;
$$;

do $$
declare
  target record;
begin
  for target in select m.name, m.title from sync.models as m order by m.position loop
    perform sync.make_silver_table(target.name);
    perform sync.show_to_members(format('silver.%I', target.title)::regclass);
    execute format('create index on silver.%I (id)', target.title);
    execute format(
      $sql$
        create trigger note_edit after insert or update or delete on silver.%I
        for each row
        when (coalesce(current_setting('sync.applying', true), '') <> 'on')
        execute function sync.note_edit(%L)
      $sql$, target.title, target.name
    );
    execute format(
      'comment on table silver.%I is %L', target.title, format('Odoo''s %s, as they are now.', target.name)
    );
  end loop;
end;
$$;

create index invoices_by_day on silver.invoices (org_id, invoice_date);
create index invoice_lines_by_invoice on silver.invoice_lines (org_id, invoice_id);
create index reconciliations_by_debit on silver.reconciliations (org_id, debit_line_id);
create index reconciliations_by_credit on silver.reconciliations (org_id, credit_line_id);

grant usage on schema silver to authenticated;

-- The same under Odoo's names.
grant usage on schema odoo to authenticated;

do $$
declare
  view record;
begin
  for view in select replace(m.name, '.', '_') as name, m.title from sync.models as m order by m.position loop
    execute format('create view odoo.%I with (security_invoker = true) as select * from silver.%I', view.name, view.title);
    execute format('grant select on odoo.%I to authenticated', view.name);
  end loop;
end;
$$;
