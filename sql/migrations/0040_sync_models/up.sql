-- What is read from Odoo: one row for each model, one for each of its fields. Everything else follows from these two
-- tables: what is asked for, the columns of silver, how a value is read and which one is refused.

-- Internals of the synchronisation. Whoever runs it, n8n or the worker, calls a few functions here and reads no table.
create schema sync;

create role odoo_sync login noinherit connection limit 10;
grant usage on schema sync to odoo_sync;

alter role odoo_sync set statement_timeout = '120s';
alter role odoo_sync set lock_timeout = '60s';
alter role odoo_sync set idle_in_transaction_session_timeout = '60s';

do $$
begin
  execute format('grant connect on database %I to odoo_sync', current_database());
end;
$$;

create table sync.models (
  name text primary key,
  -- The order that models are read in: what others refer to comes first.
  position int not null unique,
  -- The same name in bronze (raw_odoo_<title>) and silver (<title>).
  title text not null unique,
  domain jsonb not null default '[]',
  page_size int not null default 1000 check (page_size between 1 and 10000),
  -- Where a record says whose it is. A record of a company belongs to one tenant; one without to every tenant.
  company_field text default 'company_id',
  -- How often all ids are compared: the only way to learn of deletions.
  sweep_every interval not null default '15 minutes',
  -- Columns of silver that are counted and summed by day when Odoo, silver and gold are reconciled.
  day_column text,
  sum_columns text[] not null default '{}'
);

create table sync.fields (
  model text not null references sync.models (name),
  position int generated always as identity,
  field text not null,
  "column" text not null,
  type text not null,
  required boolean not null default false,
  -- Values other than these are refused.
  allowed text[],
  -- The versions of Odoo that have the field.
  since int not null default 0,
  until int not null default 9999,
  primary key (model, field),
  check (type in ('text', 'bigint', 'integer', 'numeric', 'boolean', 'date', 'timestamp', 'bigint[]'))
);

create unique index fields_one_column_per_version on sync.fields (model, "column", since);

comment on table sync.models is 'The models that are read from Odoo, in this order.';
comment on table sync.fields is
'The fields of each model, the column of silver each becomes, and which values are taken.';

insert into sync.models (name, position, title, domain, company_field, sweep_every, day_column, sum_columns) values
('res.company', 1, 'companies', '[]', 'id', '5 minutes', null, '{}'),
('res.currency', 2, 'currencies', '[]', null, '1 hour', null, '{}'),
('res.partner', 3, 'partners', '[]', 'company_id', '15 minutes', null, '{}'),
('product.product', 4, 'products', '[]', 'company_id', '15 minutes', null, '{}'),
(
  'account.move', 5, 'invoices',
  '[["move_type", "in", ["out_invoice", "out_refund", "in_invoice", "in_refund", "out_receipt", "in_receipt"]]]',
  'company_id', '15 minutes', 'invoice_date',
  '{amount_untaxed_signed,amount_total_signed,amount_residual_signed}'
),
-- Those of payments too: a reconciliation names a line of the invoice and one of the payment.
(
  'account.move.line', 6, 'invoice_lines',
  '["|", ["move_id.move_type", "in",
    ["out_invoice", "out_refund", "in_invoice", "in_refund", "out_receipt", "in_receipt"]],
    ["payment_id", "!=", false]]',
  'company_id', '1 hour', 'date', '{balance}'
),
('account.payment', 7, 'payments', '[]', 'company_id', '15 minutes', 'date', '{amount}'),
('account.partial.reconcile', 8, 'reconciliations', '[]', 'company_id', '15 minutes', null, '{amount}');

insert into sync.fields (model, field, "column", type, required, allowed, since, until) values
('res.company', 'name', 'name', 'text', true, null, 0, 9999),
('res.company', 'currency_id', 'currency_id', 'bigint', true, null, 0, 9999),
('res.company', 'parent_id', 'parent_id', 'bigint', false, null, 0, 9999),
('res.company', 'partner_id', 'partner_id', 'bigint', false, null, 0, 9999),
('res.company', 'active', 'active', 'boolean', false, null, 0, 9999),

('res.currency', 'name', 'name', 'text', true, null, 0, 9999),
('res.currency', 'symbol', 'symbol', 'text', false, null, 0, 9999),
('res.currency', 'decimal_places', 'decimal_places', 'integer', false, null, 0, 9999),
('res.currency', 'active', 'active', 'boolean', false, null, 0, 9999),

('res.partner', 'name', 'name', 'text', false, null, 0, 9999),
('res.partner', 'ref', 'ref', 'text', false, null, 0, 9999),
('res.partner', 'is_company', 'is_company', 'boolean', false, null, 0, 9999),
('res.partner', 'type', 'type', 'text', false, null, 0, 9999),
('res.partner', 'parent_id', 'parent_id', 'bigint', false, null, 0, 9999),
('res.partner', 'commercial_partner_id', 'commercial_partner_id', 'bigint', false, null, 0, 9999),
('res.partner', 'email', 'email', 'text', false, null, 0, 9999),
('res.partner', 'phone', 'phone', 'text', false, null, 0, 9999),
('res.partner', 'mobile', 'mobile', 'text', false, null, 0, 18),
('res.partner', 'website', 'website', 'text', false, null, 0, 9999),
('res.partner', 'vat', 'vat', 'text', false, null, 0, 9999),
('res.partner', 'lang', 'lang', 'text', false, null, 0, 9999),
('res.partner', 'street', 'street', 'text', false, null, 0, 9999),
('res.partner', 'street2', 'street2', 'text', false, null, 0, 9999),
('res.partner', 'city', 'city', 'text', false, null, 0, 9999),
('res.partner', 'zip', 'zip', 'text', false, null, 0, 9999),
('res.partner', 'state_id', 'state_id', 'bigint', false, null, 0, 9999),
('res.partner', 'country_id', 'country_id', 'bigint', false, null, 0, 9999),
('res.partner', 'country_code', 'country_code', 'text', false, null, 0, 9999),
('res.partner', 'customer_rank', 'customer_rank', 'integer', false, null, 0, 9999),
('res.partner', 'supplier_rank', 'supplier_rank', 'integer', false, null, 0, 9999),
('res.partner', 'active', 'active', 'boolean', true, null, 0, 9999),

('product.product', 'product_tmpl_id', 'template_id', 'bigint', true, null, 0, 9999),
('product.product', 'name', 'name', 'text', true, null, 0, 9999),
('product.product', 'default_code', 'default_code', 'text', false, null, 0, 9999),
('product.product', 'barcode', 'barcode', 'text', false, null, 0, 9999),
('product.product', 'type', 'type', 'text', false, null, 0, 9999),
('product.product', 'categ_id', 'category_id', 'bigint', false, null, 0, 9999),
('product.product', 'uom_id', 'uom_id', 'bigint', false, null, 0, 9999),
('product.product', 'list_price', 'list_price', 'numeric', false, null, 0, 9999),
('product.product', 'lst_price', 'sales_price', 'numeric', false, null, 0, 9999),
('product.product', 'sale_ok', 'sale_ok', 'boolean', false, null, 0, 9999),
('product.product', 'purchase_ok', 'purchase_ok', 'boolean', false, null, 0, 9999),
('product.product', 'active', 'active', 'boolean', true, null, 0, 9999),

('account.move', 'name', 'number', 'text', false, null, 0, 9999),
(
  'account.move', 'move_type', 'move_type', 'text', true,
  '{out_invoice,out_refund,in_invoice,in_refund,out_receipt,in_receipt}', 0, 9999
),
('account.move', 'state', 'state', 'text', true, '{draft,posted,cancel}', 0, 9999),
(
  'account.move', 'payment_state', 'payment_state', 'text', false,
  '{not_paid,in_payment,paid,partial,reversed,blocked,invoicing_legacy}', 0, 9999
),
('account.move', 'ref', 'ref', 'text', false, null, 0, 9999),
('account.move', 'partner_id', 'partner_id', 'bigint', false, null, 0, 9999),
('account.move', 'commercial_partner_id', 'commercial_partner_id', 'bigint', false, null, 0, 9999),
('account.move', 'journal_id', 'journal_id', 'bigint', true, null, 0, 9999),
('account.move', 'currency_id', 'currency_id', 'bigint', true, null, 0, 9999),
('account.move', 'date', 'date', 'date', false, null, 0, 9999),
('account.move', 'invoice_date', 'invoice_date', 'date', false, null, 0, 9999),
('account.move', 'invoice_date_due', 'due_date', 'date', false, null, 0, 9999),
('account.move', 'amount_untaxed', 'amount_untaxed', 'numeric', true, null, 0, 9999),
('account.move', 'amount_tax', 'amount_tax', 'numeric', true, null, 0, 9999),
('account.move', 'amount_total', 'amount_total', 'numeric', true, null, 0, 9999),
('account.move', 'amount_residual', 'amount_residual', 'numeric', true, null, 0, 9999),
('account.move', 'amount_untaxed_signed', 'amount_untaxed_signed', 'numeric', true, null, 0, 9999),
('account.move', 'amount_total_signed', 'amount_total_signed', 'numeric', true, null, 0, 9999),
('account.move', 'amount_residual_signed', 'amount_residual_signed', 'numeric', true, null, 0, 9999),
('account.move', 'reversed_entry_id', 'reversed_invoice_id', 'bigint', false, null, 0, 9999),
('account.move', 'line_ids', 'line_ids', 'bigint[]', true, null, 0, 9999),

('account.move.line', 'move_id', 'invoice_id', 'bigint', true, null, 0, 9999),
('account.move.line', 'payment_id', 'payment_id', 'bigint', false, null, 0, 9999),
('account.move.line', 'sequence', 'sequence', 'integer', false, null, 0, 9999),
('account.move.line', 'display_type', 'display_type', 'text', false, null, 0, 9999),
('account.move.line', 'parent_state', 'invoice_state', 'text', false, '{draft,posted,cancel}', 0, 9999),
('account.move.line', 'name', 'name', 'text', false, null, 0, 9999),
('account.move.line', 'partner_id', 'partner_id', 'bigint', false, null, 0, 9999),
('account.move.line', 'product_id', 'product_id', 'bigint', false, null, 0, 9999),
('account.move.line', 'account_id', 'account_id', 'bigint', false, null, 0, 9999),
('account.move.line', 'date', 'date', 'date', false, null, 0, 9999),
('account.move.line', 'date_maturity', 'due_date', 'date', false, null, 0, 9999),
('account.move.line', 'quantity', 'quantity', 'numeric', false, null, 0, 9999),
('account.move.line', 'price_unit', 'price_unit', 'numeric', false, null, 0, 9999),
('account.move.line', 'discount', 'discount', 'numeric', false, null, 0, 9999),
('account.move.line', 'price_subtotal', 'price_subtotal', 'numeric', false, null, 0, 9999),
('account.move.line', 'price_total', 'price_total', 'numeric', false, null, 0, 9999),
('account.move.line', 'currency_id', 'currency_id', 'bigint', false, null, 0, 9999),
('account.move.line', 'debit', 'debit', 'numeric', false, null, 0, 9999),
('account.move.line', 'credit', 'credit', 'numeric', false, null, 0, 9999),
('account.move.line', 'balance', 'balance', 'numeric', false, null, 0, 9999),
('account.move.line', 'amount_currency', 'amount_currency', 'numeric', false, null, 0, 9999),
('account.move.line', 'amount_residual', 'amount_residual', 'numeric', false, null, 0, 9999),
('account.move.line', 'reconciled', 'reconciled', 'boolean', false, null, 0, 9999),

('account.payment', 'name', 'number', 'text', false, null, 0, 9999),
('account.payment', 'state', 'state', 'text', true, '{draft,in_process,paid,canceled,rejected}', 18, 9999),
('account.payment', 'payment_type', 'payment_type', 'text', true, '{inbound,outbound}', 0, 9999),
('account.payment', 'partner_type', 'partner_type', 'text', false, '{customer,supplier}', 0, 9999),
('account.payment', 'partner_id', 'partner_id', 'bigint', false, null, 0, 9999),
('account.payment', 'move_id', 'move_id', 'bigint', false, null, 0, 9999),
('account.payment', 'journal_id', 'journal_id', 'bigint', true, null, 0, 9999),
('account.payment', 'currency_id', 'currency_id', 'bigint', true, null, 0, 9999),
('account.payment', 'date', 'date', 'date', true, null, 0, 9999),
('account.payment', 'amount', 'amount', 'numeric', true, null, 0, 9999),
('account.payment', 'memo', 'memo', 'text', false, null, 18, 9999),

('account.partial.reconcile', 'debit_move_id', 'debit_line_id', 'bigint', true, null, 0, 9999),
('account.partial.reconcile', 'credit_move_id', 'credit_line_id', 'bigint', true, null, 0, 9999),
('account.partial.reconcile', 'amount', 'amount', 'numeric', true, null, 0, 9999),
('account.partial.reconcile', 'debit_currency_id', 'debit_currency_id', 'bigint', false, null, 0, 9999),
('account.partial.reconcile', 'credit_currency_id', 'credit_currency_id', 'bigint', false, null, 0, 9999),
('account.partial.reconcile', 'debit_amount_currency', 'debit_amount_currency', 'numeric', false, null, 0, 9999),
('account.partial.reconcile', 'credit_amount_currency', 'credit_amount_currency', 'numeric', false, null, 0, 9999),
('account.partial.reconcile', 'max_date', 'max_date', 'date', false, null, 0, 9999);

-- What the server says it is: the version decides what is asked for, and how.
create table sync.odoo (
  singleton boolean primary key default true check (singleton),
  version int not null,
  reported jsonb not null,
  seen_at timestamptz not null default now()
);

create function sync.models()
returns setof text
language sql
stable
security definer
set search_path = ''
as $$
select m.name from sync.models as m order by m.position;
$$;

comment on function sync.models() is 'The models in the order that they are read in.';
grant execute on function sync.models() to odoo_sync;
