-- Ready to read: partners and products with their history, invoices by line, revenue by day. Derived from silver as it
-- changes; what a change costs does not depend on how much is stored.

create table gold.dim_partner (
  partner_key bigint generated always as identity primary key,
  org_id uuid not null references public.organizations (id) on delete cascade,
  partner_id bigint not null,
  version int not null,
  valid_from timestamp not null,
  valid_to timestamp not null default 'infinity',
  is_current boolean not null default true,
  name text,
  ref text,
  is_company boolean,
  commercial_partner_id bigint,
  email text,
  vat text,
  city text,
  zip text,
  country_code text,
  active boolean not null,
  unique (org_id, partner_id, version)
);

-- By id first: a page of records is looked up by the ids that Odoo gave them.
create unique index dim_partner_current on gold.dim_partner (partner_id, org_id) where is_current;

create table gold.dim_product (
  product_key bigint generated always as identity primary key,
  org_id uuid not null references public.organizations (id) on delete cascade,
  product_id bigint not null,
  version int not null,
  valid_from timestamp not null,
  valid_to timestamp not null default 'infinity',
  is_current boolean not null default true,
  template_id bigint not null,
  name text not null,
  default_code text,
  barcode text,
  type text,
  category_id bigint,
  list_price numeric,
  active boolean not null,
  unique (org_id, product_id, version)
);

create unique index dim_product_current on gold.dim_product (product_id, org_id) where is_current;

comment on table gold.dim_partner is
'Partners with their history, in Odoo''s time (UTC): a fact of a day belongs to the version that was valid then.';
comment on table gold.dim_product is
'Products with their history, in Odoo''s time (UTC): a fact of a day belongs to the version that was valid then.';

create table gold.fact_invoice (
  org_id uuid not null references public.organizations (id) on delete cascade,
  line_id bigint not null,
  invoice_id bigint not null,
  company_id bigint,
  number text,
  direction text not null check (direction in ('sale', 'purchase')),
  move_type text not null,
  payment_state text,
  invoice_date date,
  due_date date,
  partner_id bigint,
  commercial_partner_id bigint,
  product_id bigint,
  account_id bigint,
  currency_id bigint not null,
  description text,
  quantity numeric,
  price_unit numeric,
  discount numeric,
  amount_untaxed numeric,
  amount_total numeric,
  amount_company numeric,
  -- By id first, as for dim_partner_current.
  primary key (line_id, org_id)
);

create index fact_invoice_by_invoice on gold.fact_invoice (invoice_id);
create index fact_invoice_by_day on gold.fact_invoice (org_id, invoice_date);
create index fact_invoice_by_partner on gold.fact_invoice (org_id, partner_id);
create index fact_invoice_by_product on gold.fact_invoice (org_id, product_id);

comment on table gold.fact_invoice is
'One row for each line of a posted invoice; quantities and amounts of refunds are negative.';
comment on column gold.fact_invoice.amount_untaxed is 'In the currency of the invoice.';
comment on column gold.fact_invoice.amount_company is
'Without tax, in the currency of the company: revenue of a sale, cost of a purchase.';

create table gold.agg_revenue_daily (
  org_id uuid not null references public.organizations (id) on delete cascade,
  day date not null,
  company_id bigint not null,
  invoices int not null,
  refunds int not null,
  lines int not null,
  revenue numeric not null,
  refunded numeric not null,
  primary key (org_id, day, company_id)
);

comment on table gold.agg_revenue_daily is
'Sales by day and company, in its currency and without tax; refunds are taken off the revenue and shown beside it.';

select sync.show_to_members('gold.dim_partner');
select sync.show_to_members('gold.dim_product');
select sync.show_to_members('gold.fact_invoice');
select sync.show_to_members('gold.agg_revenue_daily');

-- A new version of each partner whose attributes differ from the current one; the end of those that are gone.
-- Here and below each call is planned for the number of its ids: a plan for a few compares each with each in a page.
create function sync.refresh_dim_partner(ids bigint[])
returns int
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  changed int;
begin
  with
  now_valid as (
    select s.org_id, s.id, s.write_date, s.name, s.ref, s.is_company, s.commercial_partner_id, s.email, s.vat, s.city,
      s.zip, s.country_code, s.active
    from silver.partners as s
    where s.id = any(ids)
  ),
  closed as (
    update gold.dim_partner as d set
      is_current = false,
      valid_to = greatest(d.valid_from, coalesce(s.write_date, clock_timestamp() at time zone 'UTC'))
    from gold.dim_partner as c
    left join now_valid as s on s.org_id = c.org_id and s.id = c.partner_id
    where c.partner_id = any(ids) and c.is_current and d.partner_key = c.partner_key
      and (
        s.id is null
        or (c.name, c.ref, c.is_company, c.commercial_partner_id, c.email, c.vat, c.city, c.zip, c.country_code, c.active)
        is distinct from
        (s.name, s.ref, s.is_company, s.commercial_partner_id, s.email, s.vat, s.city, s.zip, s.country_code, s.active)
      )
    returning d.org_id, d.partner_id, d.valid_to
  ),
  opened as (
    insert into gold.dim_partner (
      org_id, partner_id, version, valid_from, name, ref, is_company, commercial_partner_id, email, vat, city, zip,
      country_code, active
    )
    select s.org_id, s.id, coalesce(l.version, 0) + 1,
      case when l.version is null then '-infinity' else coalesce(c.valid_to, greatest(s.write_date, l.valid_to)) end,
      s.name, s.ref, s.is_company, s.commercial_partner_id, s.email, s.vat, s.city, s.zip, s.country_code, s.active
    from now_valid as s
    left join closed as c on c.org_id = s.org_id and c.partner_id = s.id
    left join lateral (
      select d.version, d.is_current, d.valid_to
      from gold.dim_partner as d
      where d.org_id = s.org_id and d.partner_id = s.id
      order by d.version desc
      limit 1
    ) as l on true
    where c.partner_id is not null or l.is_current is distinct from true
    returning 1
  )
  select count(*) into changed from (select 1 from closed union all select 1 from opened) as c;

  return changed;
end;
$$;

create function sync.refresh_dim_product(ids bigint[])
returns int
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  changed int;
begin
  with
  now_valid as (
    select s.org_id, s.id, s.write_date, s.template_id, s.name, s.default_code, s.barcode, s.type, s.category_id,
      s.list_price, s.active
    from silver.products as s
    where s.id = any(ids)
  ),
  closed as (
    update gold.dim_product as d set
      is_current = false,
      valid_to = greatest(d.valid_from, coalesce(s.write_date, clock_timestamp() at time zone 'UTC'))
    from gold.dim_product as c
    left join now_valid as s on s.org_id = c.org_id and s.id = c.product_id
    where c.product_id = any(ids) and c.is_current and d.product_key = c.product_key
      and (
        s.id is null
        or (c.template_id, c.name, c.default_code, c.barcode, c.type, c.category_id, c.list_price, c.active)
        is distinct from
        (s.template_id, s.name, s.default_code, s.barcode, s.type, s.category_id, s.list_price, s.active)
      )
    returning d.org_id, d.product_id, d.valid_to
  ),
  opened as (
    insert into gold.dim_product (
      org_id, product_id, version, valid_from, template_id, name, default_code, barcode, type, category_id, list_price,
      active
    )
    select s.org_id, s.id, coalesce(l.version, 0) + 1,
      case when l.version is null then '-infinity' else coalesce(c.valid_to, greatest(s.write_date, l.valid_to)) end,
      s.template_id, s.name, s.default_code, s.barcode, s.type, s.category_id, s.list_price, s.active
    from now_valid as s
    left join closed as c on c.org_id = s.org_id and c.product_id = s.id
    left join lateral (
      select d.version, d.is_current, d.valid_to
      from gold.dim_product as d
      where d.org_id = s.org_id and d.product_id = s.id
      order by d.version desc
      limit 1
    ) as l on true
    where c.product_id is not null or l.is_current is distinct from true
    returning 1
  )
  select count(*) into changed from (select 1 from closed union all select 1 from opened) as c;

  return changed;
end;
$$;

-- The lines of these invoices, and the revenue of the days that they were and are on.
create function sync.refresh_facts(ids bigint[])
returns int
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  changed int;
  days jsonb;
begin
  with
  -- First the invoices: before there are statistics, nothing else keeps the planner from asking each line for all of them.
  posted as materialized (
    select i.* from silver.invoices as i where i.id = any(ids) and i.state = 'posted'
  ),
  wanted as (
    select l.org_id, l.id as line_id, i.id as invoice_id, i.company_id, i.number,
      case when i.move_type like 'out\_%' then 'sale' else 'purchase' end as direction,
      i.move_type, i.payment_state, i.invoice_date, i.due_date, i.partner_id, i.commercial_partner_id, l.product_id,
      l.account_id, i.currency_id, l.name as description,
      case when i.move_type like '%\_refund' then -1 else 1 end * l.quantity as quantity,
      l.price_unit, l.discount,
      case when i.move_type like '%\_refund' then -1 else 1 end * l.price_subtotal as amount_untaxed,
      case when i.move_type like '%\_refund' then -1 else 1 end * l.price_total as amount_total,
      case when i.move_type like 'out\_%' then -1 else 1 end * l.balance as amount_company
    from posted as i
    join silver.invoice_lines as l on l.org_id = i.org_id and l.invoice_id = i.id
    where l.display_type = 'product'
  ),
  gone as (
    delete from gold.fact_invoice as f
    where f.invoice_id = any(ids)
      and not exists (select from wanted as w where w.org_id = f.org_id and w.line_id = f.line_id)
    returning f.org_id, f.invoice_date, f.company_id
  ),
  before as (
    select f.org_id, f.line_id, f.invoice_date, f.company_id
    from gold.fact_invoice as f
    join wanted as w on w.org_id = f.org_id and w.line_id = f.line_id
  ),
  written as (
    insert into gold.fact_invoice as f
    select * from wanted
    on conflict (line_id, org_id) do update set
      invoice_id = excluded.invoice_id,
      company_id = excluded.company_id,
      number = excluded.number,
      direction = excluded.direction,
      move_type = excluded.move_type,
      payment_state = excluded.payment_state,
      invoice_date = excluded.invoice_date,
      due_date = excluded.due_date,
      partner_id = excluded.partner_id,
      commercial_partner_id = excluded.commercial_partner_id,
      product_id = excluded.product_id,
      account_id = excluded.account_id,
      currency_id = excluded.currency_id,
      description = excluded.description,
      quantity = excluded.quantity,
      price_unit = excluded.price_unit,
      discount = excluded.discount,
      amount_untaxed = excluded.amount_untaxed,
      amount_total = excluded.amount_total,
      amount_company = excluded.amount_company
    where (f.*) is distinct from (excluded.*)
    returning f.org_id, f.line_id, f.invoice_date, f.company_id
  ),
  touched as (
    select g.org_id, g.invoice_date as day, g.company_id from gone as g
    union
    select w.org_id, w.invoice_date, w.company_id from written as w
    union
    select b.org_id, b.invoice_date, b.company_id
    from before as b
    join written as w on w.org_id = b.org_id and w.line_id = b.line_id
  )
  select
    (select count(*) from gone) + (select count(*) from written),
    (select jsonb_agg(to_jsonb(t)) from touched as t where t.day is not null)
  into changed, days;

  if days is null then
    return changed;
  end if;

  with
  day as (
    select d.org_id, d.day, d.company_id from jsonb_to_recordset(days) as d (org_id uuid, day date, company_id bigint)
  ),
  now_valid as (
    select d.org_id, d.day, d.company_id,
      count(distinct f.invoice_id) filter (where f.move_type <> 'out_refund') as invoices,
      count(distinct f.invoice_id) filter (where f.move_type = 'out_refund') as refunds,
      count(*) as lines, coalesce(sum(f.amount_company), 0) as revenue,
      coalesce(-sum(f.amount_company) filter (where f.move_type = 'out_refund'), 0) as refunded
    from day as d
    join gold.fact_invoice as f
      on f.org_id = d.org_id and f.invoice_date = d.day and f.company_id = d.company_id and f.direction = 'sale'
    group by d.org_id, d.day, d.company_id
  ),
  emptied as (
    delete from gold.agg_revenue_daily as a
    using day as d
    where a.org_id = d.org_id and a.day = d.day and a.company_id = d.company_id
      and not exists (
        select from now_valid as n where n.org_id = d.org_id and n.day = d.day and n.company_id = d.company_id
      )
  )
  insert into gold.agg_revenue_daily as a (org_id, day, company_id, invoices, refunds, lines, revenue, refunded)
  select * from now_valid
  on conflict (org_id, day, company_id) do update set
    invoices = excluded.invoices,
    refunds = excluded.refunds,
    lines = excluded.lines,
    revenue = excluded.revenue,
    refunded = excluded.refunded
  where (a.*) is distinct from (excluded.*);

  return changed;
end;
$$;
