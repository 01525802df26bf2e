"""What the audit counts as protected, on the platform's own schema."""

from plugins.modules.platform_audit import _RLS
from tests.sql.cluster import Cluster


def test_every_table_that_clients_could_reach_is_protected(platform: Cluster) -> None:
    with platform.connect() as session:
        session.execute("create temporary table scratch (id int)")  # a session's own, and gone with it
        rows = {
            schema: (tables, protected, open_) for schema, tables, protected, open_ in session.execute(_RLS.encode())
        }
    assert rows.pop("pgtap", None) is not None
    assert rows == {
        "auth": (1, 1, []),
        "extensions": (0, 0, []),
        "gold": (4, 4, []),
        "odoo": (0, 0, []),
        "public": (4, 4, []),
        "realtime": (0, 0, []),
        "rest": (0, 0, []),
        "silver": (8, 8, []),
        "storage": (0, 0, []),
    }


def test_an_open_table_is_named(platform: Cluster) -> None:
    with platform.connect() as session, session.transaction(force_rollback=True):
        session.execute("create table gold.left_open (id int)")
        rows = {schema: open_ for schema, _, _, open_ in session.execute(_RLS.encode())}
    assert rows["gold"] == ["left_open"]
