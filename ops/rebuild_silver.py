"""`make rebuild-silver`: silver and the facts of gold made again from bronze, and compared with what they were."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra import components
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import Stack
from ops.table import table

_PORT = components.load()["postgresql"].port("sql")
_PSQL = (
    f"psql --username=postgres --port={_PORT} --dbname={components.platform()['platform_database']} --no-psqlrc"
    " --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --single-transaction --file=-"
)
# One transaction: compared is what was there when the last run ended, and a failure leaves everything as it was.
SQL = """
lock table sync.cursors, sync.heads in exclusive mode;
create temporary table before on commit drop as select * from sync.fingerprints();
create temporary table rebuilt on commit drop as select * from sync.rebuild_silver();
select json_agg(
  json_build_object('name', a.name, 'before', b.records, 'after', a.records, 'same', a.fingerprint = b.fingerprint)
  order by a.name
)
from sync.fingerprints() as a
join before as b using (name);
"""


def rebuild_silver(stack: Stack) -> None:
    """Make silver again and say whether it is what it was; nothing can be lost, so nobody is asked."""
    print(
        "[rebuild-silver] makes silver and the facts of gold again from bronze, in one transaction. Readers see what "
        "is there until it is done; the sync waits meanwhile, and a run that waits for over a minute is tried again.",
        flush=True,
    )
    with Server(stack.outputs()) as server:
        made = server.run(_PSQL, SQL)
    if not made:
        raise OperatorError("the database answered nothing; make verify says whether it is as it should be")
    rows: list[dict[str, Any]] = json.loads(made)
    print(comparison(rows))
    print(f"[rebuild-silver] {verdict(rows)}")


def comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of each table before and after, and whether they are the same."""
    return table(
        ["table", "rows before", "rows after", "content"],
        [
            [row["name"], f"{row['before']:,}", f"{row['after']:,}", "identical" if row["same"] else "changed"]
            for row in rows
        ],
    )


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """What it means."""
    changed = [str(row["name"]) for row in rows if not row["same"]]
    if not changed:
        return "silver and gold are identical to what they were"
    return f"now as bronze says, and before it was not: {', '.join(changed)}"
