-- Gold without its history: what dim_partner says of now.
select
  org_id,
  id,
  name,
  email,
  city,
  country_code,
  active,
  received_at
from {{ ref('partners') }}
{% if is_incremental() %}
  where received_at > (select max(t.received_at) from {{ this }} as t)
{% endif %}
