"""The page that shows how the synchronisation with Odoo is doing: ids, counts, reasons and a chart, never a record."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

Status = Mapping[str, Any]

# Role docs writes it.
STYLESHEET = "/style.css"
UNIT = "supabase-odoo-sync-page"
REFRESH_SECONDS = 30
WIDTH, HEIGHT, MARGIN = 960, 240, 40
# What the plan allows between a change in Odoo and its arrival, in seconds.
ALLOWED_SECONDS = 300
LATE_SECONDS = 180
REFUSED = {"key": "the key", "access": "access to something that is read"}
REPORTS = "reports"


def page(status: Status, reports: Sequence[str], *, reads: bool) -> str:
    """The whole page of a status as `sync.status()` gives it.

    `reports` are the names of files, `reads` says whether an Odoo is configured.
    """
    parts = [
        _written(status),
        _verdict(status, reads=reads),
        "<h2>Models</h2>",
        _table(
            "models",
            ("Model", "Records", "Last read", "Last run", "Changed", "Set aside", "Latency p95, a day", "State"),
            [_model(row) for row in status["models"]],
        ),
        "<h2>From a change in Odoo to gold</h2>",
        f'<p><img src="latency.svg" alt="Latency over the last 24 hours" width="{WIDTH}" height="{HEIGHT}"></p>',
        "<h2>Reconciliation</h2>",
        _reconciliation(status["reconciliation"]),
        "<h2>Nightly reports</h2>",
        _reports(reports),
        "<h2>Dead letters</h2>",
        _table(
            "dead-letters",
            ("Last", "Model", "Reason", "Says", "Times", "What to do"),
            [
                (_moment(d["last_at"]), d["model"] or "", d["reason"], d["message"] or "", d["times"], d["cure"] or "")
                for d in status["dead_letters"]
            ],
        ),
        "<h2>Set aside</h2>",
        _table(
            "set-aside",
            ("Since", "Model", "Id in Odoo", "Why"),
            [(_moment(q["received_at"]), q["model"], q["source_id"], q["reason"]) for q in status["quarantine"]],
        ),
        "<h2>Conflicts</h2>",
        _table(
            "conflicts",
            ("When", "Model", "Id in Odoo", "What", "Holds", "Why"),
            [
                (_moment(c["at"]), c["model"], c["source_id"], c["kind"], c["winner"], c["reason"])
                for c in status["conflicts"]
            ],
        ),
        "<h2>Companies</h2>",
        _table(
            "companies",
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
        f'<title>Odoo sync</title>\n<link rel="stylesheet" href="{STYLESHEET}">\n</head>\n<body>\n<main>\n'
        "<h1>Odoo sync</h1>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def _written(status: Status) -> str:
    odoo = status["odoo"]
    known = f"Odoo {escape(str(odoo['reported']))}" if odoo else "Odoo has not answered yet"
    return (
        f'<p id="written">As of <time datetime="{escape(status["at"])}">{_moment(status["at"])}</time>. {known}.</p>\n'
        f"<p><small>Written anew every {REFRESH_SECONDS} seconds. When that time is minutes ago, this page is old and "
        f"says nothing about now: <code>journalctl -u {UNIT}</code> on the server says why.</small></p>"
    )


def _verdict(status: Status, *, reads: bool) -> str:
    if not reads:
        before = " What is below was read before." if status["odoo"] else ""
        return (
            f'<p id="verdict"><strong>No Odoo is configured: nothing is read.{before}</strong></p>\n'
            "<p>odoo_url, odoo_database and odoo_api_key of the stack say which one: docs/operations.md, Odoo.</p>"
        )
    refused = status["refused"]
    never = [m["model"] for m in status["models"] if m["lag_seconds"] is None]
    late = [m["model"] for m in status["models"] if (m["lag_seconds"] or 0) > LATE_SECONDS]
    failing = [m["model"] for m in status["models"] if m["failures"]]
    differing = sorted({r["model"] for r in status["reconciliation"] if not r["agrees"]})
    letters = len(status["dead_letters"])
    problems = [
        *(f"Odoo refuses {REFUSED[what]} since {_moment(row['since'])}" for what, row in sorted(refused.items())),
        *([f"not read yet: {', '.join(never)}"] if never else []),
        *([f"not read for {LATE_SECONDS // 60} minutes: {', '.join(late)}"] if late else []),
        *([f"failing: {', '.join(failing)}"] if failing else []),
        *([f"Odoo and the platform differ: {', '.join(differing)}"] if differing else []),
        *([f"{letters} dead letter{'' if letters == 1 else 's'}"] if letters else []),
    ]
    said = "; ".join(problems) if problems else "Everything is read, and nothing differs."
    cures = [f"<p>{escape(row['cure'])}.</p>" for _, row in sorted(refused.items())]
    return "\n".join([f'<p id="verdict"><strong>{escape(said)}</strong></p>', *cures])


def _reports(names: Sequence[str]) -> str:
    if not names:
        return "<p>None yet: the first comes with the coming night.</p>"
    links = (f'<li><a href="{REPORTS}/{escape(name)}">{escape(name)}</a></li>' for name in names)
    return f'<ul id="reports">{"".join(links)}</ul>'


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
    return _table(
        "reconciliation",
        ("Model", "Company", "Day", "Odoo", "Silver", "Sums in Odoo", "Sums in silver", "Gold", "Result"),
        shown,
    )


def chart(status: Status) -> str:
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


def _table(name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    # Wider than the window, it scrolls by itself.
    inside = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table id="{name}">\n{inside}\n</table></div>'
