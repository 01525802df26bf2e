-- How data arrived: every version of every record, never changed. One table for each model, by month.

create table sync.heads (
  model text not null references sync.models (name),
  source_id bigint not null,
  -- The version in bronze that holds: what silver shows.
  raw_id bigint not null,
  received_at timestamptz not null,
  payload_hash bytea not null,
  -- Odoo's clock, UTC. It moves without a new version when a record was written and nothing of ours changed.
  write_date timestamp not null,
  company_id bigint,
  deleted boolean not null default false,
  primary key (model, source_id)
);

create index heads_by_company on sync.heads (model, company_id);

comment on table sync.heads is 'The version of each record that holds, by model and id in Odoo.';

create function sync.refuse_change()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception using
    errcode = 'insufficient_privilege',
    message = format('%I.%I keeps what arrived: rows are added and never changed', tg_table_schema, tg_table_name);
end;
$$;

create function sync.keep_unchanged(target regclass)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    'create trigger refuse_change before update or delete or truncate on %s for each statement '
    'execute function sync.refuse_change()', target
  );
  execute format('alter table %s enable row level security', target);
  execute format('revoke insert, update, delete on %s from service_role', target);
end;
$$;

-- A partition for each month that lacks one, from the present one on.
create function sync.make_partitions(months_ahead int default 2)
returns int
language plpgsql
security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  parent record;
  month timestamptz;
  part text;
  made int := 0;
begin
  for parent in
    select c.relname as name
    from pg_catalog.pg_class as c
    where c.relnamespace = 'bronze'::regnamespace and c.relkind = 'p'
  loop
    for month in
      select * from generate_series(date_trunc('month', now()), now() + make_interval(months => months_ahead), '1 month')
    loop
      part := parent.name || to_char(month, '_YYYY_MM');
      continue when to_regclass(format('bronze.%I', part)) is not null;
      execute format(
        'create table bronze.%I partition of bronze.%I for values from (%L) to (%L)',
        part, parent.name, month, month + interval '1 month'
      );
      perform sync.keep_unchanged(format('bronze.%I', part)::regclass);
      made := made + 1;
    end loop;
  end loop;

  return made;
end;
$$;

comment on function sync.make_partitions(int) is
'Makes the partitions of bronze for the months ahead; returns how many.';

create function sync.make_raw_table(title text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  name text := 'raw_odoo_' || title;
begin
  execute format(
    $sql$
      create table bronze.%I (
        id bigint generated always as identity,
        received_at timestamptz not null default clock_timestamp(),
        run bigint not null,
        source_id bigint not null,
        write_date timestamp not null,
        company_id bigint,
        -- Arrived after a newer version of the record: kept, and never shown.
        superseded boolean not null default false,
        deleted boolean not null default false,
        payload jsonb not null,
        payload_hash bytea not null,
        primary key (id, received_at)
      ) partition by range (received_at)
    $sql$, name
  );
  execute format('create index on bronze.%I (source_id, id)', name);
  execute format('comment on table bronze.%I is %L', name, 'Every version of Odoo''s ' || title || ' that arrived.');
  perform sync.keep_unchanged(format('bronze.%I', name)::regclass);
end;
$$;

do $$
begin
  perform sync.make_raw_table(m.title) from sync.models as m order by m.position;
end;
$$;

-- Calls from outside, such as a nudge of Odoo: what arrived when. They carry no record.
create table bronze.raw_events (
  id bigint generated always as identity,
  received_at timestamptz not null default clock_timestamp(),
  source text not null,
  payload jsonb not null,
  primary key (id, received_at)
) partition by range (received_at);

-- Files that were uploaded, as their storage describes them.
create table bronze.raw_documents (
  id bigint generated always as identity,
  received_at timestamptz not null default clock_timestamp(),
  source text not null,
  source_id text not null,
  payload jsonb not null,
  payload_hash bytea not null,
  primary key (id, received_at)
) partition by range (received_at);

comment on table bronze.raw_events is 'Every call from outside that arrived.';
comment on table bronze.raw_documents is 'Every version of every file''s description that arrived.';

do $$
begin
  perform sync.keep_unchanged('bronze.raw_events'), sync.keep_unchanged('bronze.raw_documents');
  perform sync.make_partitions();
end;
$$;

-- Old months go, and with them old versions of records. The version that holds goes on in the present month, so that
-- silver can always be made again.
create function sync.retire_partitions(keep interval)
returns setof text
language plpgsql
security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  old record;
begin
  if keep < interval '1 month' then
    raise exception 'bronze keeps a month at least, not %', keep;
  end if;

  for old in
    select p.relname as parent, c.relname as part, m.name as model
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    join pg_catalog.pg_class as p on p.oid = i.inhparent
    left join sync.models as m on p.relname = 'raw_odoo_' || m.title
    where c.relnamespace = 'bronze'::regnamespace and c.relkind = 'r'
      and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= now() - keep
    order by c.relname
  loop
    if old.model is not null then
      execute format(
        $sql$
          with carried as (
            insert into bronze.%1$I (run, source_id, write_date, company_id, deleted, payload, payload_hash)
            select r.run, r.source_id, r.write_date, r.company_id, r.deleted, r.payload, r.payload_hash
            from bronze.%2$I as r
            join sync.heads as h
              on h.model = $1 and h.source_id = r.source_id and h.raw_id = r.id and h.received_at = r.received_at
            returning id, received_at, source_id
          )
          update sync.heads as h set raw_id = c.id, received_at = c.received_at
          from carried as c
          where h.model = $1 and h.source_id = c.source_id
        $sql$, old.parent, old.part
      ) using old.model;
    end if;
    execute format('drop table bronze.%I', old.part);
    return next old.part;
  end loop;
end;
$$;

comment on function sync.retire_partitions(interval) is
'Drops months of bronze that are older; the versions that hold are carried into the present month. Returns the names.';
