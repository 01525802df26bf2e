-- The helper is there, and no client's role may call it.
do $$
begin
  if to_regprocedure('tenancy.isolate(regclass)') is null then
    raise exception 'function tenancy.isolate(regclass) is missing';
  end if;

  if has_function_privilege('authenticated', 'tenancy.isolate(regclass)', 'execute') then
    raise exception 'clients may call tenancy.isolate';
  end if;
end;
$$;
