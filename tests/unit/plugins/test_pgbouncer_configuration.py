"""How declared data becomes PgBouncer's files."""

from plugins.modules.pgbouncer_configuration import HEADER, render


def test_sections_and_options_are_in_order() -> None:
    rendered = render({"listen_port": 6432, "logfile": ""}, {"b": {"port": 1, "host": "h"}, "a": {"host": "h"}})
    assert (
        rendered
        == HEADER + "[databases]\na = host=h\nb = host=h port=1\n\n[pgbouncer]\nlisten_port = 6432\nlogfile =\n"
    )
