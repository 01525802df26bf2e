-- The protocol between the database and whoever carries pages from Odoo to it: ask for the next request, post it to
-- Odoo, hand the answer over, until there is nothing more. Every call can be repeated; a caller that dies is replaced.

create table sync.cursors (
  model text primary key references sync.models (name),
  -- What was written in Odoo before this moment (its clock, UTC) has been read; null: nothing has.
  watermark timestamp,
  polled_at timestamptz,
  swept_at timestamptz,
  failures int not null default 0,
  retry_at timestamptz,
  -- Somebody asked for a poll while a run was going on.
  nudged boolean not null default false,
  -- Somebody confirmed that as many records as the last sweep missed were deleted.
  shrink_accepted boolean not null default false
);

create table sync.runs (
  id bigint generated always as identity primary key,
  model text not null references sync.models (name),
  kind text not null check (kind in ('poll', 'sweep')),
  reason text not null,
  state text not null default 'running' check (state in ('running', 'done', 'failed', 'abandoned', 'refused')),
  phase text not null default 'pages' check (phase in ('pages', 'companies', 'fetch')),
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  lease_until timestamptz not null,
  -- Whoever carried it has ended after so many pages, and another goes on.
  handed_back boolean not null default false,
  -- Odoo's clock, UTC.
  odoo_started timestamp,
  lower_bound timestamp,
  last_id bigint not null default 0,
  page_size int not null,
  pages int not null default 0,
  received int not null default 0,
  changed int not null default 0,
  dead int not null default 0,
  removed int not null default 0,
  message text
);

create unique index runs_one_at_a_time on sync.runs (model) where state = 'running';
create index runs_by_model on sync.runs (model, id);

-- What a sweep has seen, until it ends.
create table sync.seen (
  run bigint not null references sync.runs (id) on delete cascade,
  source_id bigint not null,
  write_date timestamp not null,
  company_id bigint,
  day date,
  sums numeric[] not null default '{}',
  primary key (run, source_id)
);

-- From the change in Odoo to gold, by Odoo's clock: one row for each page that brought changes.
create table sync.latencies (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  model text not null references sync.models (name),
  reason text not null,
  records int not null,
  median_seconds numeric not null,
  p95_seconds numeric not null,
  worst_seconds numeric not null
);

create index latencies_by_time on sync.latencies (at);

insert into sync.cursors (model) select m.name from sync.models as m;

-- Older than what Odoo may still be committing: it stops a request after two minutes.
create function sync.overlap()
returns interval
language sql
immutable
return interval '5 minutes';

-- Nearly all of Odoo's transactions are shorter. What a nudge misses because one was not, the next poll finds.
create function sync.brief_overlap()
returns interval
language sql
immutable
return interval '30 seconds';

create function sync.lease()
returns timestamptz
language sql
volatile
return pg_catalog.clock_timestamp() + interval '2 minutes';

-- n8n holds every page of an execution in memory until its end.
create function sync.pages_at_once()
returns int
language sql
immutable
return 10;

-- The fields that are asked for in this version of Odoo.
create function sync.wanted_fields(of_model text)
returns jsonb
language sql
stable
set search_path = ''
as $$
select to_jsonb(
  array['id', 'write_date']
  || array_remove(array[case when m.company_field <> 'id' then m.company_field end], null)
  || array_agg(f.field order by f.position)
)
from sync.models as m
join sync.fields as f on f.model = m.name
cross join sync.odoo as o
where m.name = of_model and o.version between f.since and f.until
group by m.name;
$$;

-- What a run asks Odoo for next.
create function sync.request(run sync.runs)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  target sync.models;
  asked_model text := run.model;
  domain jsonb;
  fields jsonb;
  page int := run.page_size;
  arguments jsonb;
begin
  select * into strict target from sync.models as m where m.name = run.model;
  domain := target.domain;
  fields := sync.wanted_fields(run.model);

  if run.phase = 'companies' then
    asked_model := 'res.company';
    domain := '[]';
    fields := '["id"]';
    page := 10000;
  elsif run.phase = 'fetch' then
    domain := jsonb_build_array(
      jsonb_build_array(
        'id', 'in',
        (
          select coalesce(jsonb_agg(w.source_id), '[]')
          from (
            select w.source_id from sync.wanted as w where w.model = run.model order by w.source_id limit page
          ) as w
        )
      )
    );
  else
    domain := domain || jsonb_build_array(jsonb_build_array('id', '>', run.last_id));
    if run.kind = 'poll' and run.lower_bound is not null then
      domain := domain || jsonb_build_array(
        jsonb_build_array('write_date', '>=', to_char(run.lower_bound, 'YYYY-MM-DD HH24:MI:SS'))
      );
    elsif run.kind = 'sweep' then
      page := 10000;
      select to_jsonb(
        array['id', 'write_date']
        || array_remove(array[case when target.company_field <> 'id' then target.company_field end], null)
        || coalesce(array_agg(f.field order by f.position), '{}')
      )
      into fields
      from sync.fields as f
      where f.model = run.model and (f."column" = target.day_column or f."column" = any(target.sum_columns));
    end if;
  end if;

  arguments := jsonb_build_object(
    'domain', domain, 'fields', fields, 'order', 'id asc', 'limit', page, 'context', '{"active_test": false}'::jsonb,
    'load', null
  );

  if (select o.version from sync.odoo as o) >= 19 then
    return jsonb_build_object(
      'run', run.id, 'more', true, 'path', format('/json/2/%s/search_read', asked_model), 'body', arguments
    );
  end if;

  -- The caller puts the database, the number of its user and its key in the place of the three words.
  return jsonb_build_object(
    'run', run.id, 'more', true, 'path', '/jsonrpc',
    'body', jsonb_build_object(
      'jsonrpc', '2.0', 'method', 'call',
      'params', jsonb_build_object(
        'service', 'object', 'method', 'execute_kw',
        'args', jsonb_build_array('$database', '$uid', '$key', asked_model, 'search_read', '[]'::jsonb, arguments)
      )
    )
  );
end;
$$;

create function sync.start_run(of_model text, of_kind text, why text)
returns sync.runs
language plpgsql
set search_path = ''
as $$
declare
  cursor_row sync.cursors;
  target sync.models;
  cut sync.runs;
  made sync.runs;
  is_cut boolean;
  bound timestamp;
begin
  select * into strict cursor_row from sync.cursors as c where c.model = of_model;
  select * into strict target from sync.models as m where m.name = of_model;

  if of_kind = 'poll' then
    select * into cut from sync.runs as r where r.model = of_model and r.kind = 'poll' order by r.id desc limit 1;
  end if;

  -- A poll that was cut off goes on where it was, unless more became due meanwhile.
  is_cut := cut.state in ('failed', 'abandoned')
  and (cut.lower_bound >= cursor_row.watermark or (cut.lower_bound is null and cursor_row.watermark is null));

  bound := case
    when is_cut then cut.lower_bound
    -- A nudge is for speed: shortly after a whole poll it reads on from there, not all of the last minutes again.
    when why = 'nudge' and cursor_row.polled_at > clock_timestamp() - interval '1 minute'
      then cursor_row.watermark + sync.overlap() - sync.brief_overlap()
    else cursor_row.watermark
  end;

  insert into sync.runs (model, kind, reason, lease_until, lower_bound, page_size, last_id, odoo_started)
  values (
    of_model, of_kind, why, sync.lease(), bound,
    greatest(1, target.page_size / (4 ^ least(cursor_row.failures, 5))::int),
    case when is_cut then cut.last_id else 0 end,
    case when is_cut then cut.odoo_started end
  )
  returning * into made;

  return made;
end;
$$;

create function sync.next_request(model text, reason text default 'poll', version jsonb default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  place sync.cursors;
  going sync.runs;
  major int;
begin
  if reason not in ('poll', 'nudge') then
    raise exception 'a run has the reason poll or nudge, not %', reason;
  end if;

  if version is not null then
    major := substring(coalesce(version -> 'server_version_info' ->> 0, version ->> 'server_version') from '\d+')::int;
    if major is null then
      raise exception 'Odoo did not say which version it is: %', left(version::text, 200);
    elsif major < 17 then
      raise exception 'Odoo % is too old: 17 is the oldest that is read', major;
    end if;

    insert into sync.odoo as o (version, reported)
    values (major, version)
    on conflict (singleton) do update set version = excluded.version, reported = excluded.reported, seen_at = now();
  elsif not exists (select from sync.odoo) then
    raise exception 'the version of Odoo is not known yet' using hint = 'Hand over what /web/webclient/version_info says.';
  end if;

  select * into place from sync.cursors as c where c.model = next_request.model for update;

  if not found then
    raise exception 'unknown model %', next_request.model
      using hint = (select 'Known: ' || string_agg(m.name, ', ' order by m.position) from sync.models as m);
  end if;

  select * into going from sync.runs as r where r.model = place.model and r.state = 'running';

  if going.handed_back then
    update sync.runs as r set handed_back = false, lease_until = sync.lease() where r.id = going.id;
    return sync.request(going);
  elsif going.id is not null and going.lease_until > clock_timestamp() then
    if reason = 'nudge' then
      update sync.cursors as c set nudged = true where c.model = place.model;
    end if;
    return jsonb_build_object('more', false, 'wait', format('run %s is going on', going.id));
  elsif place.retry_at > clock_timestamp() then
    return jsonb_build_object('more', false, 'wait', format('failed %s times; next try at %s', place.failures, place.retry_at));
  end if;

  -- Without its company nobody knows whose a record is.
  if place.model <> 'res.company' and not exists (
    select from sync.cursors as c where c.model = 'res.company' and c.polled_at is not null
  ) then
    return jsonb_build_object('more', false, 'wait', 'companies are read first');
  end if;

  if going.id is not null then
    update sync.runs as r set state = 'abandoned', finished_at = clock_timestamp(), message = 'its caller was not heard of again'
    where r.id = going.id;
  end if;

  perform sync.repair_edited(place.model);
  return sync.request(sync.start_run(place.model, 'poll', reason));
end;
$$;

comment on function sync.next_request(text, text, jsonb) is
'What to ask Odoo for: {"run", "path", "body", "more": true}, or {"more": false, "wait": why}.';

-- The rows of an answer: JSON-2 gives them as they are, JSON-RPC wrapped, and says errors with status 200.
create function sync.rows_of(response jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(response) = 'object' and response ? 'error' then
    raise exception 'Odoo refused: %', left(
      coalesce(response -> 'error' -> 'data' ->> 'message', response -> 'error' ->> 'message', 'no reason given'), 500
    );
  elsif jsonb_typeof(response) = 'object' and response ? 'result' then
    response := response -> 'result';
  end if;

  if jsonb_typeof(response) is distinct from 'array' then
    raise exception 'Odoo''s answer is no list of records: %', left(response::text, 200);
  end if;

  return response;
end;
$$;

create function sync.ingest(run bigint, response jsonb, odoo_time text)
returns jsonb
language plpgsql
security definer
set search_path = ''
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
  going sync.runs;
  records jsonb := sync.rows_of(response);
  now_in_odoo timestamp;
  outcome record;
  is_last boolean;
begin
  if odoo_time is null or not pg_input_is_valid(odoo_time, 'timestamptz') then
    raise exception 'Odoo''s answer has no usable Date header: %', odoo_time
      using hint = 'Watermarks are in Odoo''s time. A proxy in front of it must pass the header on.';
  end if;
  now_in_odoo := odoo_time::timestamptz at time zone 'UTC';

  select * into going from sync.runs as r where r.id = ingest.run;
  if not found then
    raise exception 'there is no run %', run;
  end if;

  perform from sync.cursors as c where c.model = going.model for update;
  select * into going from sync.runs as r where r.id = ingest.run for update;

  if going.state <> 'running' then
    return jsonb_build_object('more', false, 'wait', format('run %s is over: %s', going.id, going.state));
  end if;

  perform sync.make_partitions();
  going.odoo_started := coalesce(going.odoo_started, now_in_odoo);

  if going.phase = 'companies' then
    perform sync.see_companies(records);
    return sync.conclude_sweep(going);
  elsif going.kind = 'sweep' and going.phase = 'pages' then
    perform sync.note_seen(going, records);
    is_last := jsonb_array_length(records) < 10000;
  else
    outcome := sync.apply(going.model, going.id, records, going.phase = 'fetch');
    going.changed := going.changed + outcome.changed;
    going.dead := going.dead + outcome.dead;
    is_last := jsonb_array_length(records) < going.page_size;
    if outcome.changed > 0 and going.lower_bound is not null and going.phase = 'pages' then
      perform sync.note_latency(going, now_in_odoo, records);
    end if;
    if going.phase = 'fetch' then
      delete from sync.wanted as w
      where w.model = going.model
        and w.source_id in (
          select w2.source_id from sync.wanted as w2 where w2.model = going.model order by w2.source_id limit going.page_size
        );
      is_last := not exists (select from sync.wanted as w where w.model = going.model);
    end if;
  end if;

  update sync.runs as r set
    odoo_started = going.odoo_started,
    pages = r.pages + 1,
    received = r.received + jsonb_array_length(records),
    changed = going.changed,
    dead = going.dead,
    last_id = greatest(
      r.last_id, (select max((e.value ->> 'id')::bigint) from jsonb_array_elements(records) as e where sync.is_record(e.value))
    ),
    lease_until = sync.lease(),
    handed_back = not is_last and (r.pages + 1) % sync.pages_at_once() = 0
  where r.id = going.id
  returning * into going;

  if going.handed_back then
    return jsonb_build_object('more', false, 'again', true, 'run', going.id);
  elsif not is_last then
    return sync.request(going);
  elsif going.kind = 'sweep' and going.phase = 'pages' then
    update sync.runs as r set phase = 'companies' where r.id = going.id returning * into going;
    return sync.request(going);
  end if;

  return sync.finish_run(going);
end;
$$;

comment on function sync.ingest(bigint, jsonb, text) is
'Takes a page of a run, and answers with the next request, or {"more": false} and what the run brought. {"again": true}
with it: ask sync.next_request for the rest of the run, in an execution of its own where pages stay in memory.';

-- A run is complete: its watermark holds from now on, and what is due next begins.
create function sync.finish_run(going sync.runs)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  place sync.cursors;
  target sync.models;
  is_whole boolean;
begin
  select * into strict target from sync.models as m where m.name = going.model;
  select * into strict place from sync.cursors as c where c.model = going.model;

  if going.kind = 'sweep' then
    perform sync.reconcile(going);
    delete from sync.seen as s where s.run = going.id;
  end if;

  update sync.runs as r set state = 'done', finished_at = clock_timestamp() where r.id = going.id;

  -- Not one that began later than the watermark, nor one during which everything became due again.
  is_whole := going.kind = 'poll' and going.lower_bound is not distinct from place.watermark;

  update sync.cursors as c set
    watermark = case when is_whole then going.odoo_started - sync.overlap() else c.watermark end,
    polled_at = case when is_whole then clock_timestamp() else c.polled_at end,
    swept_at = case when going.kind = 'sweep' then clock_timestamp() else c.swept_at end,
    failures = 0,
    retry_at = null,
    nudged = false
  where c.model = going.model;

  update sync.dead_letters as d set resolved_at = clock_timestamp()
  where d.model = going.model and d.reason = 'a run failed' and d.resolved_at is null;

  -- What a nudge was about may lie where this run had passed already.
  if place.nudged then
    return sync.request(sync.start_run(going.model, 'poll', 'nudge'));
  elsif going.kind = 'poll' and coalesce(place.swept_at, '-infinity') + target.sweep_every <= clock_timestamp() then
    return sync.request(sync.start_run(going.model, 'sweep', 'due'));
  end if;

  return jsonb_build_object(
    'more', false, 'run', going.id, 'received', going.received, 'changed', going.changed, 'dead', going.dead,
    'removed', going.removed
  );
end;
$$;

create function sync.note_latency(going sync.runs, now_in_odoo timestamp, records jsonb)
returns void
language sql
set search_path = ''
as $$
insert into sync.latencies (model, reason, records, median_seconds, p95_seconds, worst_seconds)
select going.model, going.reason, count(*),
  percentile_disc(0.5) within group (order by late.seconds),
  percentile_disc(0.95) within group (order by late.seconds),
  max(late.seconds)
from (
  -- Until the answer by Odoo's clock, from then on by ours.
  select greatest(0, extract(epoch from now_in_odoo - h.write_date)) + extract(epoch from clock_timestamp() - now()) as seconds
  from jsonb_array_elements(records) as e
  join sync.heads as h on h.model = going.model and h.source_id = (e.value ->> 'id')::bigint
  where sync.is_record(e.value) and h.received_at >= now()
) as late
having count(*) > 0;
$$;

-- Why a run ended without its end, or why it never began. Records and keys have no place in the message.
create function sync.fail(model text, message text, detail jsonb default '{}')
returns void
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  tried int;
  refused text := sync.refused(fail.message, fail.detail);
begin
  if fail.model is not null and not exists (select from sync.models as m where m.name = fail.model) then
    raise exception 'unknown model %', fail.model;
  end if;

  perform sync.dead_letter(
    fail.model, (select r.id from sync.runs as r where r.model = fail.model and r.state = 'running'), 'a run failed',
    jsonb_build_object('message', left(fail.message, 1000)) || coalesce(fail.detail, '{}')
    || case refused
      when 'key' then jsonb_build_object(
        'refused', refused,
        'cure', 'The API key has ended or belongs to another database: as the reading user make a new one in Odoo, then'
        ' pulumi config set --secret odoo_api_key and pulumi up'
      )
      when 'access' then jsonb_build_object(
        'refused', refused,
        'cure', 'Give the reading user in Odoo the groups Role / User and Show Accounting Features - Readonly'
      )
      else '{}'
    end
  );

  update sync.runs as r set state = 'failed', finished_at = clock_timestamp(), message = left(fail.message, 1000)
  where r.model = fail.model and r.state = 'running';

  update sync.cursors as c set failures = c.failures + 1
  where c.model = fail.model
  returning c.failures into tried;

  -- 15 seconds, then twice as long each time, at most 15 minutes.
  update sync.cursors as c set retry_at = clock_timestamp() + least(interval '15 minutes', interval '15 seconds' * 2 ^ (tried - 1))
  where c.model = fail.model;
end;
$$;

comment on function sync.fail(text, text, jsonb) is
'Ends the run of a model as failed, with a dead letter that says why; the next tries wait longer each time.';

create function sync.record_event(source text, payload jsonb)
returns void
language sql
security definer
set search_path = ''
as $$
insert into bronze.raw_events (source, payload) values (record_event.source, record_event.payload);
$$;

comment on function sync.record_event(text, jsonb) is 'Keeps a call from outside in bronze.';

create function sync.map_company(id bigint, slug text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  known sync.companies;
begin
  insert into sync.company_choices as c (company_id, slug) values (map_company.id, map_company.slug)
  on conflict (company_id) do update set slug = excluded.slug where c.slug <> excluded.slug;
  if not found then
    return;
  end if;

  select * into known from sync.companies as c where c.company_id = map_company.id;
  if found then
    perform sync.adopt_company(known.company_id, known.name);
  end if;
end;
$$;

comment on function sync.map_company(bigint, text) is
'Whose a company of Odoo is: the organisation with this slug, made when there is none.';

grant execute on function sync.next_request(text, text, jsonb), sync.ingest(bigint, jsonb, text),
sync.fail(text, text, jsonb), sync.record_event(text, jsonb) to odoo_sync;
