-- The newest version of each partner that arrived since the last run.
select
  org_id,
  id,
  name,
  email,
  city,
  country_code,
  active,
  write_date,
  received_at
from (
  select
    c.org_id,
    r.source_id as id,
    sync.value(r.payload, 'name') as name,
    sync.value(r.payload, 'email') as email,
    sync.value(r.payload, 'city') as city,
    sync.value(r.payload, 'country_code') as country_code,
    (r.payload ->> 'active')::boolean as active,
    r.write_date,
    r.received_at,
    row_number() over (partition by c.org_id, r.source_id order by r.write_date desc, r.id desc) as version
  from bronze.raw_odoo_partners as r
  cross join (select distinct org_id from sync.companies) as c
  {% if is_incremental() %}
    where r.received_at > (select max(t.received_at) from {{ this }} as t)
  {% endif %}
) as v
where version = 1
