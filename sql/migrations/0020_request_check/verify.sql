-- Every role of a request may call the function; without it REST answers nothing but errors.
do $$
declare
  missing text;
begin
  if to_regprocedure('rest.check_request()') is null then
    raise exception 'function rest.check_request() is missing: REST refuses every request';
  end if;

  select string_agg(r.name, ', ') into missing
  from unnest(array['anon', 'authenticated', 'service_role']) as r (name)
  where
    not has_function_privilege(r.name, 'rest.check_request()', 'execute')
    or not has_schema_privilege(r.name, 'rest', 'usage');

  if missing is not null then
    raise exception 'rest.check_request() is not callable by %: REST refuses their requests', missing;
  end if;
end;
$$;
