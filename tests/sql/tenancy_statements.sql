-- What test_tenancy_property.py sends, one statement a paragraph; those that end with "returning" also without it.
-- {org} and {other} stand for ids of organisations or nonsense, {user} for a user's, {id} for a row's.

select * from public.notes;

select * from public.notes where org_id = {org};

select * from public.notes where org_id is null or org_id <> {org};

select * from public.notes where id = {id};

select count(*), 'count' as counted from public.notes;

select string_agg(body, ' ') from public.notes where body like '%secret%';

select * from public.notes where pgtap.leak(body);

select * from public.notes order by body desc limit 2;

select * from public.notes where id = {id} for update;

select * from public.notes_view;

select * from public.notes_view where org_id = {org};

select n.*, t.* from public.notes as n join public.tags as t on t.note_id = n.id;

select n.*, t.* from public.tags as t left join public.notes as n on n.org_id = {org} and n.id <> t.note_id;

select n.*, o.name from public.notes as n cross join public.organizations as o;

select n.body, m.id from public.notes as n full join public.memberships as m on m.org_id = n.org_id;

select (select body from public.notes where id = {id}), exists (select from public.tags where id = {id});

select * from public.notes union all select * from public.notes where org_id = {org};

select * from public.tags as t, lateral (select * from public.notes as n where n.id = t.note_id) as l;

with recursive r as (select id from public.notes where id = {id} union select n.id from public.notes as n, r) select * from r join public.notes using (id);

insert into public.notes (body) values ('new') returning *;

insert into public.notes (org_id, body) values ({org}, 'new') returning *;

insert into public.notes (org_id, body) values (null, 'new') returning *;

insert into public.notes (org_id, body) select {org}, body from public.notes returning *;

insert into public.notes (org_id, body) values ({org}, 'a'), ({other}, 'b') returning *;

insert into public.notes (id, org_id, body) overriding system value values ({id}, {org}, 'taken') on conflict (id) do update set body = 'taken', org_id = {other} returning *;

insert into public.notes (id, org_id, body) overriding system value values ({id}, {org}, 'taken') on conflict (id) do update set body = notes.body || 'taken' returning *;

insert into public.notes (id, org_id, body) overriding system value values ({id}, {org}, 'taken') on conflict do nothing returning *;

insert into public.tags (org_id, note_id, label) values ({org}, {id}, 'new') returning *;

update public.notes set body = 'changed' returning *;

update public.notes set body = 'changed' where org_id = {org} returning *;

update public.notes set body = 'changed' where id = {id} returning *;

update public.notes set org_id = {org} returning *;

update public.notes set org_id = {org} where id = {id} returning *;

update public.notes set org_id = null where id = {id} returning *;

update public.notes as n set body = t.label from public.tags as t where t.org_id = {org} returning n.*, t.*;

update public.notes_view set body = 'changed' where org_id = {org} returning *;

delete from public.notes returning *;

delete from public.notes where org_id = {org} returning *;

delete from public.notes where id = {id} returning *;

delete from public.tags as t using public.notes as n where n.id = {id} returning t.*, n.*;

delete from public.notes_view where id = {id} returning *;

merge into public.notes as n using (select {id}::bigint as id) as s on n.id = s.id when matched then update set body = 'merged' when not matched then insert (org_id, body) values ({org}, 'merged') returning n.*;

merge into public.notes as n using public.tags as t on n.id = t.note_id when matched then delete returning n.*, t.*;

select * from public.organizations;

select * from public.organizations where id = {org};

insert into public.organizations (id, name, slug) values (gen_random_uuid(), 'new', 'new') returning *;

update public.organizations set name = 'changed' returning *;

update public.organizations set settings = '{}' where id = {org} returning *;

delete from public.organizations where id = {org} returning *;

select * from public.memberships;

select * from public.memberships where org_id = {org};

insert into public.memberships (org_id, user_id, role) values ({org}, {user}, 'owner') returning *;

insert into public.memberships (org_id, user_id) values ({org}, {user}) on conflict (org_id, user_id) do update set role = 'owner' returning *;

update public.memberships set role = 'owner' where user_id = {user} returning *;

update public.memberships set role = 'member' where org_id = {org} returning *;

update public.memberships set org_id = {org} returning *;

delete from public.memberships where user_id = {user} returning *;

delete from public.memberships where org_id = {org} returning *;

select * from public.profiles;

select * from public.profiles where id = {user};

update public.profiles set display_name = 'changed' returning *;

delete from public.profiles returning *;

select * from public.invitations;

select * from public.invitations where org_id = {org};

insert into public.invitations (org_id, email, token_hash) values ({org}, 'x@x.test', 'x') returning *;

update public.invitations set role = 'owner' returning *;

delete from public.invitations where org_id = {org} returning *;

select public.switch_organization({org});

select public.accept_invitation('guess');

select public.create_organization('new', 'new');

select length(public.invite_member('new@example.test', 'member'));

select * from auth.users;

select * from tenancy.current_organizations;

select auth.org_id(), auth.org_role();
