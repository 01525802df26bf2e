-- From what arrived to what holds: bronze takes every version, silver the newest that can be read, gold follows. One
-- batch is one transaction; the same batch again changes nothing.

-- What could not be taken, and which runs failed. The same again is counted, not repeated.
create table sync.dead_letters (
  id bigint generated always as identity primary key,
  first_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  times int not null default 1,
  model text references sync.models (name),
  run bigint,
  reason text not null,
  detail jsonb not null default '{}',
  resolved_at timestamptz
);

create unique index dead_letters_open
on sync.dead_letters (coalesce(model, ''), reason, md5(detail::text)) where resolved_at is null;

create function sync.dead_letter(of_model text, in_run bigint, why text, what jsonb)
returns bigint
language sql
set search_path = ''
as $$
insert into sync.dead_letters as d (model, run, reason, detail)
values (of_model, in_run, why, what)
on conflict (coalesce(model, ''), reason, md5(detail::text)) where resolved_at is null
do update set times = d.times + 1, last_at = clock_timestamp(), run = excluded.run
returning d.id;
$$;

-- What Odoo refuses, where it does: the key (n8n hands its status over, the worker says it, Odoo 18 has none), or what
-- its account may see.
create function sync.refused(message text, detail jsonb)
returns text
language sql
immutable
return case
  when detail ->> 'code' = '401' or message ~ 'HTTP 401|Authorization failed|does not know the user|Access Denied'
    then 'key'
  when detail ->> 'code' = '403' or message ~ 'HTTP 403|You are not allowed to access' then 'access'
end;

-- Odoo sends false for whatever is empty.
create function sync.value(payload jsonb, field text)
returns text
language sql
immutable
parallel safe
return case pg_catalog.jsonb_typeof(payload -> field)
  when 'boolean' then null
  when 'array' then payload -> field ->> 0
  else payload ->> field
end;

comment on function sync.value(jsonb, text) is
'A field of a record as text; null where it is empty. Of a reference with its name, the id.';

-- SQL that reads one field, and SQL that says what is wrong with it (null: nothing).
create function sync.reading(field sync.fields)
returns text
language sql
stable
set search_path = ''
as $$
select case field.type
  when 'boolean' then format('(r.payload ->> %L)::boolean', field.field)
  when 'bigint[]' then format(
    'array(select e::bigint from pg_catalog.jsonb_array_elements_text(r.payload -> %L) as e)', field.field
  )
  else format('sync.value(r.payload, %L)::%s', field.field, field.type)
end;
$$;

create function sync.refusal(field sync.fields)
returns text
language sql
stable
set search_path = ''
as $$
select format(
  $sql$case
    when %3$L and not r.payload ? %1$L then '%1$s is missing'
    when %3$L and %2$s then '%1$s is empty'
    when %4$s then '%1$s is no %5$s: ' || left(r.payload ->> %1$L, 80)
    when %6$L::text[] is not null and sync.value(r.payload, %1$L) <> all (%6$L::text[])
      then '%1$s is not one of ' || array_to_string(%6$L::text[], ', ') || ': ' || left(r.payload ->> %1$L, 80)
  end$sql$,
  field.field,
  case field.type
    when 'boolean' then 'false'
    when 'bigint[]' then 'false'
    else format('sync.value(r.payload, %L) is null', field.field)
  end,
  field.required,
  case field.type
    when 'boolean' then format('pg_catalog.jsonb_typeof(r.payload -> %L) <> ''boolean''', field.field)
    when 'bigint[]' then format(
      'pg_catalog.jsonb_typeof(r.payload -> %1$L) <> ''array'''
      ' or exists (select from pg_catalog.jsonb_array_elements('
      'case pg_catalog.jsonb_typeof(r.payload -> %1$L) when ''array'' then r.payload -> %1$L else ''[]'' end) as e'
      ' where pg_catalog.jsonb_typeof(e) <> ''number'')', field.field
    )
    else format('not pg_catalog.pg_input_is_valid(sync.value(r.payload, %L), %L)', field.field, field.type)
  end,
  field.type,
  field.allowed
);
$$;

-- The organisation of a company: the one that the operator chose, else one of its own.
create function sync.adopt_company(id bigint, title text)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  chosen text := coalesce((select c.slug from sync.company_choices as c where c.company_id = id), 'odoo-' || id);
  found uuid;
  known record;
begin
  -- Records go to the tenants that there are. Whoever brings a page holds its model's cursor, so none is under way while
  -- that changes; and a page of companies is waited for first, as it may want the others.
  if not exists (
    select
    from sync.companies as c
    join public.organizations as o on o.id = c.org_id
    where c.company_id = adopt_company.id and c.visible and o.slug = chosen
  ) then
    perform from sync.cursors as u order by u.model <> 'res.company', u.model for update;
  end if;

  select o.id into found from public.organizations as o where o.slug = chosen;

  if found is null then
    insert into public.organizations (name, slug)
    values (left(title, 200), chosen)
    returning organizations.id into found;
  end if;

  select c.org_id, c.visible into known from sync.companies as c where c.company_id = id;

  insert into sync.companies as c (company_id, name, org_id)
  values (id, title, found)
  on conflict (company_id) do update set name = excluded.name, org_id = excluded.org_id, visible = true, seen_at = now();

  if known.visible is distinct from true then
    -- What was hidden until now was written before the watermarks: everything is read from the start.
    update sync.cursors as u set watermark = null
    from sync.models as m
    where m.name = u.model and m.company_field = 'company_id';
  end if;

  if known.org_id is distinct from found then
    perform sync.share_with_everybody();
  end if;

  return found;
end;
$$;

-- Writes versions of bronze into silver. Returns the ids of the records that changed there, and how many were refused.
create function sync.write_silver(of_model text, raw_ids bigint[], since timestamptz, out ids bigint[], out refused int)
language plpgsql
set search_path = ''
as $$
declare
  target sync.models;
  columns text;
  readings text;
  refusals text;
  assignments text;
  version int := coalesce((select v.version from sync.odoo as v), 9999);
begin
  select * into strict target from sync.models as m where m.name = of_model;
  select
    string_agg(format('%I', f."column"), ', ' order by f.position),
    string_agg(format('%s as %I', sync.reading(f), f."column"), ', ' order by f.position),
    string_agg(sync.refusal(f), ', ' order by f.position),
    string_agg(format('%1$I = excluded.%1$I', f."column"), ', ' order by f.position)
  into columns, readings, refusals, assignments
  from sync.fields as f
  where f.model = of_model and version between f.since and f.until;

  execute format(
    $sql$
      with raw as materialized (
        select r.id as raw_id, r.received_at, r.source_id, r.write_date, r.company_id, r.payload,
          nullif(concat_ws('; ', %4$s), '') as reason
        from bronze.%2$I as r
        where r.id = any($1) and r.received_at >= $2 and not r.deleted
      ),
      refused as (
        insert into sync.quarantine as q (model, source_id, company_id, reason, raw_id, received_at)
        select %1$L, r.source_id, r.company_id, r.reason, r.raw_id, r.received_at
        from raw as r
        where r.reason is not null
        on conflict (model, source_id) do update set
          company_id = excluded.company_id, reason = excluded.reason, raw_id = excluded.raw_id, received_at = excluded.received_at
        returning 1
      ),
      released as (
        delete from sync.quarantine as q
        using raw as r
        where q.model = %1$L and q.source_id = r.source_id and r.reason is null
      ),
      good as materialized (
        select o.org_id, r.source_id as id, r.company_id, r.write_date, r.raw_id, r.received_at, %5$s
        from raw as r
        cross join lateral (
          select distinct c.org_id
          from sync.companies as c
          where c.org_id is not null and (r.company_id is null or c.company_id = r.company_id)
        ) as o
        where r.reason is null
      ),
      written as (
        insert into silver.%3$I as s (org_id, id, company_id, write_date, raw_id, received_at, %6$s)
        select * from good
        on conflict (org_id, id) do update set
          company_id = excluded.company_id, write_date = excluded.write_date, raw_id = excluded.raw_id,
          received_at = excluded.received_at, %7$s
        where (s.*) is distinct from (excluded.*)
        returning s.id
      ),
      moved as (
        delete from silver.%3$I as s
        using raw as r
        where s.id = r.source_id and r.reason is null
          and not exists (
            select from sync.companies as c
            where c.org_id = s.org_id and (r.company_id is null or c.company_id = r.company_id)
          )
        returning s.id
      )
      select
        (select array_agg(distinct c.id) from (select w.id from written as w union all select m.id from moved as m) as c),
        (select count(*) from refused)
    $sql$,
    of_model, 'raw_odoo_' || target.title, target.title, refusals, readings, columns, assignments
  ) into ids, refused using raw_ids, since;
end;
$$;

-- What depends on records that changed in silver.
create function sync.refresh_gold(of_model text, ids bigint[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if ids is null then
    return;
  end if;

  -- A fact is made of an invoice and a line, and a day of many facts. Of two transactions that bring one each, neither
  -- sees the other's: the second waits here until the first is over, and the statements after this see all of it.
  if of_model in ('account.move', 'account.move.line') then
    perform pg_catalog.pg_advisory_xact_lock('gold.fact_invoice'::regclass::oid::bigint);
  end if;

  case of_model
    when 'res.partner' then
      perform sync.refresh_dim_partner(ids);
    when 'product.product' then
      perform sync.refresh_dim_product(ids);
    when 'account.move' then
      perform sync.refresh_facts(ids);
    when 'account.move.line' then
      perform sync.refresh_facts(
        (
          select array_agg(distinct i.id)
          from (
            select l.invoice_id as id from silver.invoice_lines as l where l.id = any(ids)
            union all
            select f.invoice_id from gold.fact_invoice as f where f.line_id = any(ids)
          ) as i
        )
      );
    else
      null;
  end case;
end;
$$;

-- The records are gone from Odoo: bronze says so, silver and gold no longer have them.
create function sync.remove(of_model text, source_ids bigint[], in_run bigint)
returns int
language plpgsql
set search_path = ''
as $$
declare
  target sync.models;
  removed bigint[];
  invoices bigint[];
begin
  select * into strict target from sync.models as m where m.name = of_model;
  perform set_config('sync.applying', 'on', true);

  execute format(
    $sql$
      with gone as (
        select h.source_id, h.company_id, h.write_date
        from sync.heads as h
        where h.model = %1$L and h.source_id = any($1) and not h.deleted
      ),
      said as (
        insert into bronze.%2$I (run, source_id, write_date, company_id, deleted, payload, payload_hash)
        select $2, g.source_id, g.write_date, g.company_id, true, '{}', ''
        from gone as g
        returning id, received_at, source_id
      ),
      noted as (
        update sync.heads as h set deleted = true, payload_hash = '', raw_id = s.id, received_at = s.received_at
        from said as s
        where h.model = %1$L and h.source_id = s.source_id
      ),
      released as (delete from sync.quarantine as q using gone as g where q.model = %1$L and q.source_id = g.source_id)
      select array_agg(g.source_id) from gone as g
    $sql$, of_model, 'raw_odoo_' || target.title
  ) into removed using source_ids, in_run;

  if removed is null then
    return 0;
  end if;

  if of_model = 'account.move.line' then
    select array_agg(distinct l.invoice_id) into invoices from silver.invoice_lines as l where l.id = any(removed);
  end if;
  execute format('delete from silver.%I as s where s.id = any($1)', target.title) using removed;

  if of_model = 'account.move.line' then
    perform sync.refresh_gold('account.move', invoices);
  else
    perform sync.refresh_gold(of_model, removed);
  end if;
  return cardinality(removed);
end;
$$;

-- A batch of records as Odoo answered them: what is new goes to bronze, and on to silver and gold. An older version
-- than the one that holds was overtaken, unless it is final: then Odoo went back to it, or its clock did.
create function sync.apply(
  of_model text, in_run bigint, records jsonb, is_final boolean, out received int, out changed int, out dead int
)
language plpgsql
set search_path = ''
as $$
declare
  target sync.models;
  new_ids bigint[];
  since timestamptz;
  written record;
  one bigint;
begin
  select * into strict target from sync.models as m where m.name = of_model;
  perform set_config('sync.applying', 'on', true);
  received := jsonb_array_length(records);

  -- What cannot even be stored as a version of a record.
  select count(sync.dead_letter(of_model, in_run, 'a record without a usable id or write_date', e.value)) into dead
  from jsonb_array_elements(records) as e
  where not sync.is_record(e.value);

  if of_model = 'res.company' then
    perform sync.adopt_company((e.value ->> 'id')::bigint, coalesce(sync.value(e.value, 'name'), 'Company ' || (e.value ->> 'id')))
    from jsonb_array_elements(records) as e
    where sync.is_record(e.value);
  end if;

  execute format(
    $sql$
      with arrived as materialized (
        select distinct on ((e.value ->> 'id')::bigint)
          (e.value ->> 'id')::bigint as source_id,
          (e.value ->> 'write_date')::timestamp as write_date,
          %3$s as company_id,
          e.value as payload,
          sha256(convert_to((e.value - 'write_date')::text, 'UTF8')) as payload_hash
        from jsonb_array_elements($1) as e
        where sync.is_record(e.value)
        order by (e.value ->> 'id')::bigint, (e.value ->> 'write_date')::timestamp desc
      ),
      compared as materialized (
        select a.*, h.raw_id as held, h.write_date as held_date,
          h.source_id is not null and h.write_date > a.write_date and not h.deleted as is_older
        from arrived as a
        left join sync.heads as h on h.model = %1$L and h.source_id = a.source_id
        where h.source_id is null or h.deleted or h.payload_hash <> a.payload_hash or h.write_date < a.write_date
          or ($3 and h.write_date <> a.write_date)
      ),
      fresh as (
        select c.*
        from compared as c
        left join sync.heads as h on h.model = %1$L and h.source_id = c.source_id
        where (h.source_id is null or h.deleted or h.payload_hash <> c.payload_hash)
          and not (
            c.is_older and not $3
            and exists (
              select from bronze.%2$I as r where r.source_id = c.source_id and r.payload_hash = c.payload_hash
            )
          )
      ),
      stored as (
        insert into bronze.%2$I (run, source_id, write_date, company_id, superseded, payload, payload_hash)
        select $2, f.source_id, f.write_date, f.company_id, f.is_older and not $3, f.payload, f.payload_hash
        from fresh as f
        returning id, received_at, source_id, write_date, company_id, superseded, payload, payload_hash
      ),
      late as (
        insert into sync.conflicts (model, source_id, company_id, kind, winner, reason, lost)
        select %1$L, s.source_id, s.company_id, 'older version arrived later',
          case when s.superseded then 'the newer version' else 'the older version' end,
          format(
            case when s.superseded then 'written in Odoo at %%s, while the version of %%s holds'
              else 'a sweep found it written in Odoo at %%s, while ours was of %%s' end,
            s.write_date, f.held_date
          ),
          case when s.superseded then jsonb_build_object('raw_id', s.id, 'row', s.payload)
            else jsonb_build_object('raw_id', f.held) end
        from stored as s
        join fresh as f on f.source_id = s.source_id
        where f.is_older
      ),
      -- Written in Odoo without a change of what is read here.
      only_newer as (
        update sync.heads as h set write_date = c.write_date
        from compared as c
        where h.model = %1$L and h.source_id = c.source_id and h.payload_hash = c.payload_hash and not h.deleted
          and (h.write_date < c.write_date or $3)
      ),
      noted as (
        insert into sync.heads as h (model, source_id, raw_id, received_at, payload_hash, write_date, company_id)
        select %1$L, s.source_id, s.id, s.received_at, s.payload_hash, s.write_date, s.company_id
        from stored as s
        where not s.superseded
        on conflict (model, source_id) do update set
          raw_id = excluded.raw_id, received_at = excluded.received_at, payload_hash = excluded.payload_hash,
          write_date = excluded.write_date, company_id = excluded.company_id, deleted = false
      )
      select array_agg(s.id), min(s.received_at) from stored as s where not s.superseded
    $sql$,
    of_model, 'raw_odoo_' || target.title,
    case when target.company_field is null then 'null::bigint' else format('sync.value(e.value, %L)::bigint', target.company_field) end
  ) into new_ids, since using records, in_run, is_final;

  changed := coalesce(cardinality(new_ids), 0);
  if changed = 0 then
    return;
  end if;

  begin
    written := sync.write_silver(of_model, new_ids, since);
    perform sync.refresh_gold(of_model, written.ids);
    dead := dead + written.refused;
  exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
    -- One record that no check foresaw does not stop the others.
    foreach one in array new_ids loop
      begin
        written := sync.write_silver(of_model, array[one], since);
        perform sync.refresh_gold(of_model, written.ids);
        dead := dead + written.refused;
      exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
        perform sync.quarantine(of_model, one, since, sqlerrm);
        dead := dead + 1;
      end;
    end loop;
  end;

  if of_model = 'account.move' then
    -- An invoice names its lines: one that it no longer names was deleted, unless it is newer than what was read.
    perform sync.remove(
      'account.move.line',
      (
        select array_agg(l.id)
        from silver.invoices as i
        join silver.invoice_lines as l on l.org_id = i.org_id and l.invoice_id = i.id
        where i.raw_id = any(new_ids)
          and i.id = any(
            array(select (e.value ->> 'id')::bigint from jsonb_array_elements(records) as e where sync.is_record(e.value))
          )
          and l.id <> all (i.line_ids) and l.write_date <= i.write_date
      ),
      in_run
    );
  end if;
end;
$$;

-- Records that somebody else wrote in silver are written again from bronze, so many before each run.
create function sync.repair_edited(of_model text)
returns int
language plpgsql
set search_path = ''
as $$
declare
  edited bigint[];
begin
  with taken as (
    delete from sync.edited as e
    where e.model = of_model and e.source_id in (
      select o.source_id from sync.edited as o where o.model = of_model order by o.source_id limit 10000
    )
    returning e.source_id
  )
  select array_agg(t.source_id) into edited from taken as t;

  return case when edited is null then 0 else sync.write_again(of_model, edited) end;
end;
$$;

-- Writes what holds of these records (of all: null) into silver and gold, and removes what is not there.
create function sync.write_again(of_model text, source_ids bigint[] default null)
returns int
language plpgsql
set search_path = ''
as $$
declare
  target sync.models;
  batch record;
  written record;
  extra bigint[];
  total int := 0;
begin
  select * into strict target from sync.models as m where m.name = of_model;
  perform set_config('sync.applying', 'on', true);

  execute format(
    $sql$
      with extra as (
        delete from silver.%I as s
        where ($1 is null or s.id = any($1))
          and not exists (select from sync.heads as h where h.model = $2 and h.source_id = s.id and not h.deleted)
        returning s.id
      )
      select array_agg(distinct e.id) from extra as e
    $sql$, target.title
  ) into extra using source_ids, of_model;
  perform sync.refresh_gold(of_model, extra);

  for batch in
    select array_agg(n.raw_id) as raw_ids, min(n.received_at) as since
    from (
      select h.raw_id, h.received_at, (row_number() over (order by h.source_id) - 1) / 1000 as part
      from sync.heads as h
      where h.model = of_model and not h.deleted and (source_ids is null or h.source_id = any(source_ids))
    ) as n
    group by n.part
    order by n.part
  loop
    written := sync.write_silver(of_model, batch.raw_ids, batch.since);
    perform sync.refresh_gold(of_model, written.ids);
    total := total + coalesce(cardinality(written.ids), 0);
  end loop;

  return total;
end;
$$;

-- Records that belong to no company are every tenant's, and those of a company follow it to another tenant.
create function sync.share_with_everybody()
returns void
language plpgsql
set search_path = ''
as $$
declare
  target record;
begin
  for target in
    select h.model, array_agg(h.source_id) as ids
    from sync.heads as h
    where not h.deleted
    group by h.model
  loop
    perform sync.write_again(target.model, target.ids);
  end loop;
end;
$$;

create function sync.is_record(value jsonb)
returns boolean
language sql
immutable
parallel safe
return coalesce(
  pg_catalog.jsonb_typeof(value) = 'object'
  and pg_catalog.jsonb_typeof(value -> 'id') = 'number'
  and pg_catalog.pg_input_is_valid(value ->> 'id', 'bigint')
  and pg_catalog.jsonb_typeof(value -> 'write_date') = 'string'
  and pg_catalog.pg_input_is_valid(value ->> 'write_date', 'timestamp'),
  false
);

create function sync.quarantine(of_model text, of_raw_id bigint, since timestamptz, why text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    $sql$
      insert into sync.quarantine as q (model, source_id, company_id, reason, raw_id, received_at)
      select %1$L, r.source_id, r.company_id, $3, r.id, r.received_at
      from bronze.%2$I as r
      where r.id = $1 and r.received_at >= $2
      on conflict (model, source_id) do update set
        reason = excluded.reason, raw_id = excluded.raw_id, received_at = excluded.received_at
    $sql$, of_model, 'raw_odoo_' || (select m.title from sync.models as m where m.name = of_model)
  ) using of_raw_id, since, why;
end;
$$;

-- Makes silver and gold's facts again from bronze alone: what holds is read off the versions, not remembered.
create function sync.rebuild_silver()
returns table (model text, records bigint)
language plpgsql
security definer
set search_path = ''
as $$
declare
  target sync.models;
begin
  -- No run moves on meanwhile; readers see what was there until this is done.
  lock table sync.cursors, sync.heads in exclusive mode;

  for target in select * from sync.models as m order by m.position loop
    execute format(
      $sql$
        insert into sync.heads as h (model, source_id, raw_id, received_at, payload_hash, write_date, company_id, deleted)
        select distinct on (r.source_id)
          %1$L, r.source_id, r.id, r.received_at, r.payload_hash, r.write_date, r.company_id, r.deleted
        from bronze.%2$I as r
        where not r.superseded
        order by r.source_id, r.id desc
        on conflict (model, source_id) do update set
          raw_id = excluded.raw_id, received_at = excluded.received_at, payload_hash = excluded.payload_hash,
          company_id = excluded.company_id, deleted = excluded.deleted,
          write_date = greatest(h.write_date, excluded.write_date)
        where h.raw_id <> excluded.raw_id or h.deleted <> excluded.deleted
      $sql$, target.name, 'raw_odoo_' || target.title
    );
    perform sync.write_again(target.name);
  end loop;

  return query
    select h.model, count(*) from sync.heads as h where not h.deleted group by h.model order by h.model;
end;
$$;

comment on function sync.rebuild_silver() is
'Makes silver, and the facts of gold, again from bronze. Returns how many records hold of each model.';

-- What silver and gold hold, to be compared with what they held: rows in any order, without when each was written.
create function sync.fingerprints()
returns table (name text, records bigint, fingerprint numeric)
language plpgsql
stable
set search_path = ''
as $$
begin
  for name in
    select 'silver.' || m.title from sync.models as m
    union all
    select unnest('{gold.dim_partner,gold.dim_product,gold.fact_invoice,gold.agg_revenue_daily}'::text[])
    order by 1
  loop
    return query execute format(
      $sql$
        select %1$L, count(*), coalesce(sum(hashtextextended((to_jsonb(t) - 'received_at' - 'raw_id')::text, 0)), 0)
        from %1$s as t
      $sql$, name
    );
  end loop;
end;
$$;

comment on function sync.fingerprints() is 'Rows and a checksum of each table of silver and gold.';
