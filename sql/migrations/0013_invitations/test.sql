select plan(30);

select two_tenants();
create temporary table token (name text, secret text);
grant all on token to public;

-- Who may invite whom.
select act_as(3, 101);
select throws_ok($$select public.invite_member('x@example.test')$$, '42501', null, 'a member invites nobody');
select act_as(5, 101);
select throws_ok($$select public.invite_member('x@example.test')$$, '42501', null, 'a removed member neither');
select act_as(4, 101);
select throws_ok($$select public.invite_member('x@example.test')$$, '42501', null, 'nor an owner of another tenant');
select act_as(2, 101);
select throws_ok($$select public.invite_member('x@example.test', 'admin')$$, '42501', null, 'an admin makes no admins');
select throws_ok($$select public.invite_member('x@example.test', 'root')$$, '42501', null, 'nor anything unheard of');
select throws_ok($$select public.invite_member('x@example.test', null)$$, '42501', null, 'nor nothing');
select throws_ok($$select public.invite_member('no address')$$, '23514', null, 'an address is one');
select lives_ok(
  $$insert into token values ('5 by admin', public.invite_member(' User5@Example.TEST '))$$, 'an admin invites members'
);
select act_as(1, 101);
select lives_ok(
  $$insert into token values ('6 by owner', public.invite_member('user6@example.test', 'owner'))$$,
  'an owner invites anybody'
);

-- Who sees and withdraws.
select results_eq(
  'select i.email, i.role from public.invitations as i order by 1',
  $$values ('user5@example.test', 'member'), ('user6@example.test', 'owner')$$,
  'an owner sees what is open, by its lower-case address'
);
select results_eq('select length(secret) from token', array[64, 64], 'tokens are 256 bits');
select is_empty(
  $$select from public.invitations as i join token as t on position(t.secret in i.token_hash::text) > 0$$,
  'and are not kept'
);
select act_as(2, 101);
select is_empty(
  $$delete from public.invitations where role = 'owner' returning id$$, 'an admin does not withdraw an owner''s'
);
select throws_ok(
  $$select public.invite_member('user6@example.test')$$, '42501',
  'an owner has already invited this address with a higher role', 'nor replace it'
);
select act_as(3, 101);
select is_empty('select from public.invitations', 'a member sees none');
select act_as(4, 102);
select is_empty('select from public.invitations', 'another tenant sees none');

-- Who may accept.
select throws_ok(
  $$select public.accept_invitation(secret) from token where name = '6 by owner'$$, '42501',
  'this invitation is for another address, or the address is not confirmed yet', 'not for another address'
);
select throws_ok(
  $$select public.accept_invitation('guess')$$, '42501', 'this invitation is unknown, used, expired or withdrawn',
  'not by guessing'
);
select throws_ok(
  $$select public.accept_invitation(null)$$, '42501', 'this invitation is unknown, used, expired or withdrawn',
  'not without a token'
);
reset role;
update auth.users
set email_confirmed_at = null
where id = id(6);
select act_as(6, 102);
select throws_ok(
  $$select public.accept_invitation(secret) from token where name = '6 by owner'$$, '42501',
  'this invitation is for another address, or the address is not confirmed yet', 'not with an unconfirmed address'
);
reset role;
update auth.users
set email_confirmed_at = now()
where id = id(6);
update public.invitations
set expires_at = now()
where role = 'owner';
select act_as(6, 102);
select throws_ok(
  $$select public.accept_invitation(secret) from token where name = '6 by owner'$$, '42501',
  'this invitation is unknown, used, expired or withdrawn', 'not after a week'
);
reset role;
update public.invitations
set expires_at = now() + interval '1 second'
where role = 'owner';
select act_as(6);
select results_eq(
  $$select public.accept_invitation(secret) from token where name = '6 by owner'$$, array[id(101)], 'but within it'
);
select is(auth.org_id(), id(101), 'and works there from then on');
select is(auth.org_role(), 'owner', 'as what he was invited to');
select throws_ok(
  $$select public.accept_invitation(secret) from token where name = '6 by owner'$$, '42501',
  'this invitation is unknown, used, expired or withdrawn', 'once'
);
select is_empty('delete from public.invitations where accepted_at is not null returning id', 'what happened stays');
select is(
  (
    select i.accepted_by
    from public.invitations as i
    where i.accepted_at is not null
  ), id(6), 'with who it was'
);

-- Who is removed takes his open invitations along.
delete from public.memberships
where user_id = id(2);
select act_as(5);
select throws_ok(
  $$select public.accept_invitation(secret) from token where name = '5 by admin'$$, '42501',
  'this invitation is unknown, used, expired or withdrawn', 'the invitation of a removed admin is withdrawn'
);
reset role;

select policies_are('public', 'invitations', array['invitations_select', 'invitations_delete']);
select ok(
  not has_table_privilege('authenticated', 'public.invitations', 'insert, update'),
  'invitations are made by the function'
);

select finish();
