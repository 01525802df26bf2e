-- Every fact has an invoice, and every current partner and product is one of silver's.
do $$
declare
  found bigint;
begin
  select count(*) into found
  from (
    select from gold.dim_partner as d
    where d.is_current and not exists (select from silver.partners as s where s.org_id = d.org_id and s.id = d.partner_id)
    limit 1000
  ) as d;
  if found > 0 then
    raise exception '% current partners of gold are not in silver; run: select sync.rebuild_silver()', found;
  end if;

  select count(*) into found
  from (
    select from gold.fact_invoice as f
    where not exists (select from silver.invoices as s where s.org_id = f.org_id and s.id = f.invoice_id)
    limit 1000
  ) as f;
  if found > 0 then
    raise exception '% facts of gold have no invoice in silver; run: select sync.rebuild_silver()', found;
  end if;
end;
$$;
