-- A transaction that leaves a table without row security, or a view that steps around it, in a schema of ours that
-- clients reach does not commit. Row security is switched on after a table is created, so the check waits for the end.

-- The services look after their own schemas; extensions hold no rows of tenants.
create view tenancy.exposed_schemas
with (security_invoker = true)
as
select
  n.oid,
  n.nspname as name
from pg_catalog.pg_namespace as n
where
  n.nspname !~ '^pg_'
  and n.nspname not in ('information_schema', 'extensions')
  and pg_catalog.pg_get_userbyid(n.nspowner) in ('postgres', 'pg_database_owner')
  and (
    pg_catalog.has_schema_privilege('anon', n.oid, 'usage')
    or pg_catalog.has_schema_privilege('authenticated', n.oid, 'usage')
  );

-- Holds a row only between a command and the end of its transaction.
create table tenancy.changed_relations (relation oid not null);

create function tenancy.note_changed_relations()
returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into tenancy.changed_relations (relation)
  select distinct d.objid
  from pg_catalog.pg_event_trigger_ddl_commands() as d
  join pg_catalog.pg_class as c on c.oid = d.objid
  where d.classid = 'pg_catalog.pg_class'::regclass and c.relkind in ('r', 'p', 'f', 'v') and c.relpersistence <> 't';
end;
$$;

create function tenancy.refuse_unprotected_relation()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  relation record;
begin
  delete from tenancy.changed_relations as r where r.relation = new.relation;

  select format('%I.%I', s.name, c.relname) as name, c.relkind as kind, c.relrowsecurity as protected,
    'security_invoker=true' = any (coalesce(c.reloptions, '{}')) as invoker
  into relation
  from pg_catalog.pg_class as c
  join tenancy.exposed_schemas as s on s.oid = c.relnamespace
  where c.oid = new.relation;

  if relation.kind in ('r', 'p') and not relation.protected then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('table %s has no row security, in a schema that clients reach', relation.name),
      hint = format(
        'In the same transaction: select tenancy.isolate(%L), or enable row level security with policies by hand. '
        'What is not for clients belongs in a schema of its own.', relation.name
      );
  elsif relation.kind = 'f' then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('foreign table %s cannot have row security, in a schema that clients reach', relation.name),
      hint = 'Put it into a schema that clients do not reach.';
  elsif relation.kind = 'v' and not relation.invoker then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('view %s reads with the rights of its owner, in a schema that clients reach', relation.name),
      hint = 'Create it with (security_invoker = true), so that row security holds for who asks.';
  end if;

  return null;
end;
$$;

create constraint trigger refuse_unprotected_relation
after insert on tenancy.changed_relations
deferrable initially deferred
for each row
execute function tenancy.refuse_unprotected_relation();

create event trigger refuse_unprotected_relations -- noqa: PRS
on ddl_command_end
when tag in (
  'ALTER FOREIGN TABLE', 'ALTER TABLE', 'ALTER VIEW', 'CREATE FOREIGN TABLE', 'CREATE TABLE', 'CREATE TABLE AS',
  'CREATE VIEW', 'IMPORT FOREIGN SCHEMA', 'SELECT INTO'
)
execute function tenancy.note_changed_relations();
