select plan(5);

select two_tenants();
select set_config('sync.applying', 'on', true);
insert into silver.partners (org_id, id, write_date, raw_id, received_at, name, active)
values (id(101), 1, '2026-01-01', 1, now(), 'One', true), (id(101), 2, '2026-01-01', 2, now(), 'Two', true);

select is(sync.refresh_dim_partner('{1, 2}'), 2, 'a new partner has a version');
select is(sync.refresh_dim_partner('{1, 2}'), 0, 'and no other one while nothing changes');

update silver.partners set city = 'Bern', write_date = '2026-02-01'
where id = 1;
delete from silver.partners
where id = 2;
select is(sync.refresh_dim_partner('{1, 2}'), 3, 'a change closes a version and opens one, a deletion closes one');
select results_eq(
  'select partner_id, version, city, valid_from, is_current from gold.dim_partner order by 1, 2',
  $$
    values (1::bigint, 1, null, '-infinity'::timestamp, false), (1, 2, 'Bern', '2026-02-01', true),
      (2, 1, null, '-infinity', false)
  $$,
  'what was valid when'
);

select act_as(6, 102);
select is_empty('select from gold.dim_partner', 'another tenant sees none of it');
reset role;

select finish();
