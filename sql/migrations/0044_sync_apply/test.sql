select plan(11);

select is(sync.value('{"a": "x"}', 'a'), 'x', 'a text is read as it is');
select is(sync.value('{"a": false}', 'a'), null, 'false is how Odoo says empty');
select is(sync.value('{}', 'a'), null, 'what is missing is empty');
select is(sync.value('{"a": [7, "Seven"]}', 'a'), '7', 'of a reference with its name, the id');
select is(sync.value('{"a": "false"}', 'a'), 'false', 'the word is a text like others');
select ok(sync.is_record('{"id": 1, "write_date": "2026-01-01 00:00:00"}'), 'a record has an id and a moment');
select ok(not sync.is_record('{"id": "1", "write_date": "2026-01-01 00:00:00"}'), 'an id is a number');
select ok(
  not sync.is_record('[1]') and not sync.is_record('null') and not sync.is_record(null), 'what is no object is none'
);

select sync.dead_letter(null, null, 'the same', '{}');
select sync.dead_letter(null, null, 'the same', '{}');
select results_eq(
  'select reason, times from sync.dead_letters', $$values ('the same', 2)$$, 'the same again is counted'
);

select is((select count(*) from sync.fingerprints()), 12::bigint, 'each table of silver and gold has a fingerprint');

select results_eq(
  $$
    select sync.refused(f.message, f.detail)
    from (
      values
        (1, '/json/2/res.partner/search_read: HTTP 401: Invalid apikey', '{}'::jsonb),
        (2, 'Authorization failed - please check your credentials', '{"code": "401"}'),
        (3, 'Odoo refused: Access Denied', null),
        (4, '/jsonrpc: Odoo does not know the user ''sync'' with this key', '{}'),
        (5, '/json/2/account.move/search_read: HTTP 403: no', '{}'),
        (6, 'Forbidden - perhaps check your credentials?', '{"code": "403"}'),
        (7, '/json/2/res.partner/search_read: HTTP 502: no reason given', '{"code": null}'),
        (8, 'The connection was refused', '{"code": "ECONNREFUSED"}')
    ) as f (number, message, detail)
    order by f.number
  $$,
  $$values ('key'), ('key'), ('key'), ('key'), ('access'), ('access'), (null), (null)$$,
  'what Odoo refuses is told from the other failures'
);

select finish();
