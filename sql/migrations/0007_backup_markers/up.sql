-- A heartbeat that a restored copy is compared with: which of these rows it holds says which moment it was restored to.
-- The program that writes them is the superuser's (role backup of Ansible); no service and no client has a part in it.
create schema backup;
revoke all on schema backup from public;

create table backup.markers (
  id bigint generated always as identity primary key,
  marker text not null unique,
  created_at timestamptz not null default clock_timestamp()
);

-- Nobody is granted anything; a row policy would have nobody to let in, and its absence keeps everybody else out.
alter table backup.markers enable row level security;

create index markers_created_at_idx on backup.markers (created_at);

comment on table backup.markers is 'One row per marker of the backup ledger, committed just before its moment.';
