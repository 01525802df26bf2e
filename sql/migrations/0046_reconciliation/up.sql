-- A sweep asks Odoo for all ids: what is gone there goes here, what was missed is fetched, and then Odoo, silver and
-- gold are compared by day.

-- Records to be read again, whatever their write_date.
create table sync.wanted (
  model text not null references sync.models (name),
  source_id bigint not null,
  primary key (model, source_id)
);

create table sync.reconciliations (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  run bigint not null,
  model text not null references sync.models (name),
  company_id bigint,
  -- Null: all days together.
  day date,
  odoo_records bigint not null,
  silver_records bigint not null,
  odoo_sums numeric[] not null,
  silver_sums numeric[] not null,
  -- Posted invoices only: what gold says of the first sum.
  gold_sum numeric,
  differing_ids bigint[] not null default '{}',
  agrees boolean not null
);

create index reconciliations_by_model on sync.reconciliations (model, run);

comment on table sync.reconciliations is
'Odoo against silver and gold, by model and company: the whole, and each day that differs, with the ids.';

create function sync.note_seen(going sync.runs, records jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  target sync.models;
begin
  select * into strict target from sync.models as m where m.name = going.model;

  insert into sync.seen (run, source_id, write_date, company_id, day, sums)
  select going.id, (e.value ->> 'id')::bigint, (e.value ->> 'write_date')::timestamp,
    case when target.company_field is not null then sync.value(e.value, target.company_field)::bigint end,
    (
      select sync.value(e.value, f.field)::date
      from sync.fields as f
      where f.model = going.model and f."column" = target.day_column
    ),
    array(
      select coalesce(sync.value(e.value, f.field)::numeric, 0)
      from unnest(target.sum_columns) with ordinality as s (name, n)
      join sync.fields as f on f.model = going.model and f."column" = s.name
      order by s.n
    )
  from jsonb_array_elements(records) as e
  where sync.is_record(e.value)
  on conflict (run, source_id) do nothing;
end;
$$;

-- The companies that the reading account sees now. One that it no longer sees keeps its records here.
create function sync.see_companies(records jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  ids bigint[] := array(select (e.value ->> 'id')::bigint from jsonb_array_elements(records) as e);
begin
  update sync.companies as c set visible = false where c.visible and c.company_id <> all (ids);

  -- Those that are new are read by the next poll of companies, which starts everything else from the beginning.
  if exists (
    select from unnest(ids) as i (id) where not exists (select from sync.companies as c where c.company_id = i.id and c.visible)
  ) then
    update sync.cursors as c set watermark = null where c.model = 'res.company';
  end if;
end;
$$;

create function sync.conclude_sweep(going sync.runs)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  gone bigint[];
  known bigint;
  accepted boolean;
begin
  -- Gone: known before the sweep began, not seen by it, and not of a company that is hidden.
  select array_agg(h.source_id) into gone
  from sync.heads as h
  left join sync.companies as c on c.company_id = h.company_id
  where h.model = going.model and not h.deleted and h.received_at < going.started_at
    and coalesce(c.visible, true)
    and not exists (select from sync.seen as s where s.run = going.id and s.source_id = h.source_id);
  select count(*) into known from sync.heads as h where h.model = going.model and not h.deleted;
  select c.shrink_accepted into accepted from sync.cursors as c where c.model = going.model;

  if going.model = 'res.company' then
    -- A company that is not seen may only be hidden.
    gone := null;
  elsif cardinality(gone) > greatest(100, known / 10) and not accepted then
    update sync.runs as r set
      state = 'refused', finished_at = clock_timestamp(),
      message = format('%s of %s records would be deleted; nothing was', cardinality(gone), known)
    where r.id = going.id;
    perform sync.dead_letter(
      going.model, going.id, 'too many records are gone from Odoo',
      jsonb_build_object(
        'cure', format('If they were deleted on purpose: select sync.accept_deletions(%L)', going.model)
      )
    );
    update sync.cursors as c set swept_at = clock_timestamp() where c.model = going.model;
    delete from sync.seen as s where s.run = going.id;
    return jsonb_build_object('more', false, 'run', going.id, 'wait', 'too many records are gone from Odoo');
  end if;

  update sync.runs as r set removed = sync.remove(going.model, gone, going.id) where r.id = going.id;
  update sync.cursors as c set shrink_accepted = false where c.model = going.model;
  update sync.dead_letters as d set resolved_at = clock_timestamp()
  where d.model = going.model and d.reason = 'too many records are gone from Odoo' and d.resolved_at is null;

  insert into sync.wanted (model, source_id)
  select going.model, s.source_id
  from sync.seen as s
  left join sync.heads as h on h.model = going.model and h.source_id = s.source_id
  where s.run = going.id and (h.source_id is null or h.deleted or h.write_date <> s.write_date)
  on conflict do nothing;

  if exists (select from sync.wanted as w where w.model = going.model) then
    update sync.runs as r set phase = 'fetch', lease_until = sync.lease() where r.id = going.id returning * into going;
    return sync.request(going);
  end if;

  select * into strict going from sync.runs as r where r.id = going.id;
  return sync.finish_run(going);
end;
$$;

create function sync.accept_deletions(model text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  update sync.cursors as c set shrink_accepted = true, swept_at = null where c.model = accept_deletions.model;
  if not found then
    raise exception 'unknown model %', accept_deletions.model;
  end if;
end;
$$;

comment on function sync.accept_deletions(text) is
'Says that the records which the last sweep missed were deleted on purpose: the next one removes them.';

-- Odoo as the sweep saw it against silver and gold, without what was written in Odoo since.
create function sync.reconcile(going sync.runs)
returns void
language plpgsql
set search_path = ''
as $$
declare
  target sync.models;
begin
  select * into strict target from sync.models as m where m.name = going.model;

  execute format(
    $sql$
      with
      here as (
        select distinct on (s.id) s.id, s.company_id, %3$s as day, %4$s as sums, %5$s as gold
        from silver.%2$I as s
        order by s.id, s.org_id
      ),
      compared as (
        select coalesce(o.source_id, h.id) as id, coalesce(o.company_id, h.company_id) as company_id,
          coalesce(o.day, h.day) as day, o.source_id is not null as in_odoo, h.id is not null as in_silver,
          coalesce(o.sums, '{}') as odoo_sums, coalesce(h.sums, '{}') as silver_sums, h.gold,
          o.source_id is null or h.id is null or o.sums is distinct from h.sums or o.day is distinct from h.day
            or h.gold is distinct from case when h.gold is not null then o.sums[1] end as differs
        from (select * from sync.seen as s where s.run = $1) as o
        full join here as h on h.id = o.source_id
        left join sync.heads as k on k.model = %1$L and k.source_id = coalesce(o.source_id, h.id)
        left join sync.companies as c on c.company_id = k.company_id
        -- Written since the sweep saw it, read since it began, or hidden: not comparable now.
        where coalesce(k.write_date <= o.write_date, true) and coalesce(c.visible, true)
          and (o.source_id is not null or k.received_at < $2)
      ),
      grouped as (
        select c.company_id, c.day, grouping(c.day) = 1 as is_total,
          count(*) filter (where c.in_odoo) as odoo_records, count(*) filter (where c.in_silver) as silver_records,
          %6$s as odoo_sums, %7$s as silver_sums, sum(c.gold) as gold_sum,
          (array_agg(c.id order by c.id) filter (where c.differs))[:100] as differing_ids
        from compared as c
        group by grouping sets ((c.company_id, c.day), (c.company_id))
      )
      insert into sync.reconciliations (
        run, model, company_id, day, odoo_records, silver_records, odoo_sums, silver_sums, gold_sum, differing_ids, agrees
      )
      select $1, %1$L, g.company_id, g.day, g.odoo_records, g.silver_records, g.odoo_sums, g.silver_sums, g.gold_sum,
        coalesce(g.differing_ids, '{}'), g.differing_ids is null
      from grouped as g
      where g.is_total or (g.day is not null and g.differing_ids is not null)
    $sql$,
    going.model, target.title,
    case when target.day_column is null then 'null::date' else format('s.%I', target.day_column) end,
    (
      select 'array[' || coalesce(string_agg(format('coalesce(s.%I, 0)', c.name), ', ' order by c.n), '') || ']::numeric[]'
      from unnest(target.sum_columns) with ordinality as c (name, n)
    ),
    -- An invoice that arrived after its lines were last read may lack some for a moment.
    case when going.model = 'account.move' then
      $gold$case when s.state = 'posted' and s.received_at < (
        select max(r.started_at)
        from sync.runs as r
        where r.model = 'account.move.line' and r.kind = 'poll' and r.state = 'done'
      ) then coalesce((
        select sum(case f.direction when 'sale' then f.amount_company else -f.amount_company end)
        from gold.fact_invoice as f
        where f.invoice_id = s.id and f.org_id = s.org_id
      ), 0) end$gold$
    else 'null::numeric' end,
    sync.sums_of('odoo_sums', cardinality(target.sum_columns)),
    sync.sums_of('silver_sums', cardinality(target.sum_columns))
  ) using going.id, going.started_at;

  -- The report of a run replaces older ones after a month; those that differed stay a year.
  delete from sync.reconciliations as r
  where r.model = going.model and r.at < now() - case when r.agrees then interval '1 month' else interval '1 year' end;
end;
$$;

create function sync.sums_of(name text, length int)
returns text
language sql
immutable
set search_path = ''
as $$
select 'array[' || coalesce(string_agg(format('coalesce(sum(c.%I[%s]), 0)', name, n), ', ' order by n), '') || ']::numeric[]'
from generate_series(1, length) as n;
$$;
