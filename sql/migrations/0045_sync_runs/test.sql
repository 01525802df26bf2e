select plan(8);

select throws_like(
  $$select sync.next_request('res.partner')$$, '%version of Odoo is not known yet%', 'the version comes first'
);
select throws_like(
  $$select sync.next_request('res.partner', 'poll', '{"server_version": "16.0"}')$$, '%Odoo 16 is too old%',
  'an old Odoo is refused'
);
select throws_like(
  $$select sync.next_request('res.partner', 'poll', '{"server_version": "?"}')$$, '%did not say which version%',
  'an unknown one too'
);
select throws_like(
  $$select sync.next_request('res.nothing', 'poll', '{"server_version": "19.0"}')$$, '%unknown model res.nothing%',
  'as is a model'
);
select throws_like(
  $$select sync.next_request('res.partner', 'whim', '{"server_version": "19.0"}')$$, '%not whim%', 'and a reason'
);
select throws_like(
  $$select sync.ingest(-1, '[]', 'Mon, 02 Mar 2026 10:00:00 GMT')$$, '%no run -1%',
  'there is nothing to take a page for'
);
select throws_like($$select sync.fail('res.nothing', 'x')$$, '%unknown model%', 'nor to fail');
select sync.record_event('test', '{"a": 1}');
select results_eq(
  $$select payload from bronze.raw_events where source = 'test'$$, $$values ('{"a": 1}'::jsonb)$$,
  'a call from outside is kept'
);

select finish();
