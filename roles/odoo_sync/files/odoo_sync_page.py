"""Writes the page that shows how the synchronisation with Odoo is doing: odoo_sync_page.py FOLDER STYLESHEET.

Asks the database once (`sync.status()`, connection by libpq's variables) and writes FOLDER/index.html, readable by whom
nginx lets in, and FOLDER/latency.svg. The page holds ids, counts and reasons, never a record. A timer starts it again.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import psycopg

REFRESH_SECONDS = 30
WIDTH, HEIGHT, MARGIN = 960, 240, 40
# What the plan allows between a change in Odoo and its arrival, in seconds.
ALLOWED_SECONDS = 300
LATE_SECONDS = 180


def page(status: Mapping[str, Any], stylesheet: str) -> str:
    """The whole page of a status as `sync.status()` gives it."""
    odoo = status["odoo"]
    known = f"Odoo {escape(str(odoo['reported']))}" if odoo else "Odoo has not answered yet"
    parts = [
        f"<p>{known}. As of {_moment(status['at'])}.</p>",
        _verdict(status),
        "<h2>Models</h2>",
        _table(
            ("Model", "Records", "Last read", "Last run", "Changed", "Set aside", "Latency p95, a day", "State"),
            [_model(row) for row in status["models"]],
        ),
        "<h2>From a change in Odoo to gold</h2>",
        f'<p><img src="latency.svg" alt="Latency over the last 24 hours" width="{WIDTH}" height="{HEIGHT}"></p>',
        "<h2>Reconciliation</h2>",
        _reconciliation(status["reconciliation"]),
        "<h2>Dead letters</h2>",
        _or_none(
            ("Last", "Model", "Reason", "Says", "Times"),
            [
                (_moment(d["last_at"]), d["model"] or "", d["reason"], d["message"] or "", d["times"])
                for d in status["dead_letters"]
            ],
        ),
        "<h2>Set aside</h2>",
        _or_none(
            ("Since", "Model", "Id in Odoo", "Why"),
            [(_moment(q["received_at"]), q["model"], q["source_id"], q["reason"]) for q in status["quarantine"]],
        ),
        "<h2>Conflicts</h2>",
        _or_none(
            ("When", "Model", "Id in Odoo", "What", "Holds", "Why"),
            [
                (_moment(c["at"]), c["model"], c["source_id"], c["kind"], c["winner"], c["reason"])
                for c in status["conflicts"]
            ],
        ),
        "<h2>Companies</h2>",
        _or_none(
            ("Id in Odoo", "Name", "Organisation", "Visible"),
            [
                (
                    c["id"],
                    c["name"],
                    c["organisation"] or "",
                    "yes" if c["visible"] else "hidden from the reading account",
                )
                for c in status["companies"]
            ],
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">\n'
        f'<title>Odoo sync</title>\n<link rel="stylesheet" href="{escape(stylesheet)}">\n</head>\n<body>\n<main>\n'
        "<h1>Odoo sync</h1>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def _verdict(status: Mapping[str, Any]) -> str:
    late = [m["model"] for m in status["models"] if m["lag_seconds"] is None or m["lag_seconds"] > LATE_SECONDS]
    failing = [m["model"] for m in status["models"] if m["failures"]]
    differing = sorted({r["model"] for r in status["reconciliation"] if not r["agrees"]})
    problems = [
        *([f"not read for {LATE_SECONDS // 60} minutes: {', '.join(late)}"] if late else []),
        *([f"failing: {', '.join(failing)}"] if failing else []),
        *([f"Odoo and the platform differ: {', '.join(differing)}"] if differing else []),
        *([f"{len(status['dead_letters'])} dead letters"] if status["dead_letters"] else []),
    ]
    said = "; ".join(problems) if problems else "Everything is read, and nothing differs."
    return f"<p><strong>{escape(said)}</strong></p>"


def _model(row: Mapping[str, Any]) -> Sequence[object]:
    run = row["last_run"]
    latency = row["latency"]["p95_seconds"]
    state = f"failed {row['failures']} times, next try {_moment(row['retry_at'])}" if row["failures"] else "reading"
    return (
        row["model"],
        f"{row['records']:,}",
        "never" if row["lag_seconds"] is None else f"{row['lag_seconds']:.0f} s ago",
        f"{run['kind']} ({run['reason']}): {run['state']}" if run else "none",
        run["changed"] if run else "",
        row["quarantined"],
        "no change" if latency is None else f"{latency:.1f} s",
        state if row["polled_at"] or row["failures"] else "waiting",
    )


def _reconciliation(rows: Iterable[Mapping[str, Any]]) -> str:
    shown = [
        (
            row["model"],
            row["company_id"] or "all",
            row["day"] or "all days",
            f"{row['odoo_records']:,}",
            f"{row['silver_records']:,}",
            ", ".join(_number(value) for value in row["odoo_sums"]),
            ", ".join(_number(value) for value in row["silver_sums"]),
            "" if row["gold_sum"] is None else _number(row["gold_sum"]),
            "agrees" if row["agrees"] else "differs: " + ", ".join(map(str, row["differing_ids"][:20])),
        )
        for row in rows
    ]
    return _or_none(
        ("Model", "Company", "Day", "Odoo", "Silver", "Sums in Odoo", "Sums in silver", "Gold", "Result"), shown
    )


def chart(status: Mapping[str, Any]) -> str:
    """The latency of the last day as an image: one mark for each minute that brought changes."""
    now = datetime.fromisoformat(status["at"])
    start = now - timedelta(days=1)
    points = [(datetime.fromisoformat(row["minute"]), float(row["p95_seconds"])) for row in status["latencies"]]
    top = max([10.0, *(seconds for _, seconds in points)]) * 1.1
    scale = (WIDTH - 2 * MARGIN) / timedelta(days=1).total_seconds()

    def across(moment: datetime) -> float:
        return MARGIN + max(0.0, (moment - start).total_seconds()) * scale

    def up(seconds: float) -> float:
        return HEIGHT - MARGIN - seconds / top * (HEIGHT - 2 * MARGIN)

    lines = [
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{up(level):.1f}" y2="{up(level):.1f}" stroke="#8884"/>'
        f'<text x="{MARGIN - 6}" y="{up(level) + 4:.1f}" text-anchor="end">{level:.0f} s</text>'
        for level in (0, top / 2.2, top / 1.1)
    ]
    if top >= ALLOWED_SECONDS:
        lines.append(
            f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{up(ALLOWED_SECONDS):.1f}" y2="{up(ALLOWED_SECONDS):.1f}"'
            ' stroke="#c33" stroke-dasharray="4"/>'
        )
    hours = [
        f'<text x="{across(start + timedelta(hours=hour)):.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">'
        f"{(start + timedelta(hours=hour)).astimezone(UTC):%H:%M}</text>"
        for hour in range(0, 25, 4)
    ]
    marks = [f'<circle cx="{across(moment):.1f}" cy="{up(seconds):.1f}" r="2.5"/>' for moment, seconds in points]
    empty = (
        ""
        if points
        else f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">no change in the last day</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12" fill="#777">{"".join([*lines, *hours])}<g fill="#2a7">{"".join(marks)}</g>{empty}</svg>\n'
    )


def _moment(text: str | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def _number(value: float) -> str:
    return f"{value:,.2f}"


def _or_none(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return _table(header, rows) if rows else "<p>None.</p>"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}</table>"


def write(folder: Path, name: str, text: str) -> None:
    """Put a whole file in the place of the old one."""
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(folder / name)


def main(folder: Path, stylesheet: str) -> None:
    """Ask and write."""
    with psycopg.connect() as session:
        ((status,),) = session.execute("select sync.status()").fetchall()
    write(folder, "latency.svg", chart(status))
    write(folder, "index.html", page(status, stylesheet))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
