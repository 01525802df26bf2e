select plan(3);

select is(sync.sums_of('a', 0), 'array[]::numeric[]', 'a model without sums has none');
select is(
  sync.sums_of('a', 2), 'array[coalesce(sum(c.a[1]), 0), coalesce(sum(c.a[2]), 0)]::numeric[]',
  'each sum is taken of its place'
);
select throws_like(
  $$select sync.accept_deletions('res.nothing')$$, '%unknown model%', 'a model that is not read has no deletions'
);

select finish();
