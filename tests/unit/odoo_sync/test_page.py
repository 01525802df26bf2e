"""The page about the synchronisation, what monitoring is told, and the report of a night."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from roles.odoo_sync.files.odoo_sync_status import cli
from roles.odoo_sync.files.odoo_sync_status.metrics import render
from roles.odoo_sync.files.odoo_sync_status.page import chart, page
from roles.odoo_sync.files.odoo_sync_status.report import report

NOW = "2026-03-02T10:00:00+00:00"
DIFFERS = {
    "at": NOW, "model": "account.move", "company_id": 1, "day": "2026-02-01", "odoo_records": 2, "silver_records": 1,
    "odoo_sums": [3], "silver_sums": [1.5], "gold_sum": 1.5, "differing_ids": [7], "agrees": False,
}  # fmt: skip
TOTAL = DIFFERS | {"day": None, "odoo_records": 1200, "silver_records": 1199}


def status(**changes: Any) -> dict[str, Any]:
    model = {
        "model": "res.partner", "records": 1234, "lag_seconds": 12.3, "polled_at": NOW, "swept_at": NOW, "failures": 0,
        "retry_at": None, "quarantined": 0, "latency": {"records": 5, "p95_seconds": 1.25, "worst_seconds": 2},
        "last_run": {"kind": "poll", "reason": "nudge", "state": "done", "changed": 5},
    }  # fmt: skip
    known = {
        "at": NOW, "odoo": {"version": 19, "reported": "19.0", "seen_at": NOW}, "models": [model], "latencies": [],
        "dead_letters": [], "conflicts": [], "quarantine": [], "reconciliation": [], "companies": [], "refused": {},
    }  # fmt: skip
    return known | changes


def shown(reads: bool = True, reports: tuple[str, ...] = (), **changes: Any) -> str:
    return page(status(**changes), reports, reads=reads)


def test_when_all_is_well_it_says_so() -> None:
    text = shown(reports=("reconciliation-2026-03-02.txt",))
    assert "Everything is read, and nothing differs." in text
    for part in ("Odoo 19.0", "1,234", "12 s ago", "poll (nudge): done", "1.2 s", "2026-03-02 10:00:00 UTC</time>"):
        assert part in text
    assert 'href="reports/reconciliation-2026-03-02.txt"' in text


def test_what_is_wrong_comes_first() -> None:
    late = status()["models"][0] | {"lag_seconds": 600, "failures": 2, "retry_at": NOW}
    text = shown(models=[late], reconciliation=[DIFFERS])
    assert (
        "not read for 3 minutes: res.partner; failing: res.partner; Odoo and the platform differ: account.move" in text
    )
    assert "differs: 7" in text


def test_a_refused_key_is_named_with_its_cure() -> None:
    letter = {
        "last_at": NOW, "model": "res.partner", "reason": "a run failed", "message": "HTTP 401", "cure": "A new one",
        "times": 3,
    }  # fmt: skip
    text = shown(refused={"key": {"since": NOW, "cure": "A new one"}}, dead_letters=[letter])
    assert "<strong>Odoo refuses the key since 2026-03-02 10:00:00 UTC; 1 dead letter</strong>" in text
    assert "<p>A new one.</p>" in text
    assert "<td>A new one</td>" in text


def test_nothing_in_it_is_markup() -> None:
    letter = {"last_at": NOW, "model": None, "reason": "<b>", "message": "<script>", "cure": None, "times": 1}
    text = shown(dead_letters=[letter], reports=("<i>.txt",))
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "<i>" not in text


def test_before_the_first_answer_there_is_a_page() -> None:
    never = status()["models"][0] | {
        "lag_seconds": None, "polled_at": None, "last_run": None, "latency": {"p95_seconds": None}
    }  # fmt: skip
    text = shown(odoo=None, models=[never])
    assert "Odoo has not answered yet" in text
    assert "not read yet: res.partner" in text
    text = shown(reads=False, odoo=None, models=[never])
    assert "<strong>No Odoo is configured: nothing is read.</strong>" in text
    assert "not read yet" not in text
    assert "What is below was read before." in shown(reads=False)


def test_the_chart_marks_each_minute_with_changes() -> None:
    assert "no change in the last day" in chart(status())
    image = chart(status(latencies=[{"minute": "2026-03-02T09:00:00+00:00", "records": 3, "p95_seconds": 400}]))
    assert image.count("<circle") == 1
    assert "stroke-dasharray" in image


def test_monitoring_reads_what_the_database_measures_and_when() -> None:
    measured: list[Any] = [
        ("odoo_sync_lag_seconds", {"model": "res.partner"}, 12.5),
        ("odoo_sync_lag_seconds", {"model": 'a"b\\'}, 1),
        ("odoo_sync_conflicts_total", {"kind": "edited by hand"}, 2),
        ("odoo_sync_dead_letters", {}, 0),
        ("odoo_sync_lag_seconds", {"model": "never"}, None),
    ]
    lines = render(measured, datetime.fromtimestamp(1000, UTC), datetime.fromtimestamp(900, UTC), reads=True).split(
        "\n"
    )
    assert [line for line in lines if not line.startswith("#")] == [
        'odoo_sync_lag_seconds{model="a\\"b\\\\"} 1',
        'odoo_sync_lag_seconds{model="res.partner"} 12.5',
        'odoo_sync_conflicts_total{kind="edited by hand"} 2',
        "odoo_sync_dead_letters 0",
        "odoo_sync_written_timestamp_seconds 1000",
        "odoo_sync_configured 1",
        "odoo_sync_report_timestamp_seconds 900",
        "",
    ]
    assert "# TYPE odoo_sync_conflicts_total counter" in lines
    assert "# TYPE odoo_sync_dead_letters gauge" in lines
    assert sum(line.startswith("# HELP") for line in lines) == 6


def test_a_report_lists_each_difference_and_counts_a_record_once() -> None:
    made = report(status(reconciliation=[TOTAL | {"differing_ids": [7, 8]}, DIFFERS]), reads=True)
    assert made.line == "reconciled: 1 model, 1,200 records, 2 differences"
    assert made.name == "reconciliation-2026-03-02.txt"
    assert "account.move, company 1, 2026-02-01: 2 in Odoo, 1 in silver; sums 3.00 in Odoo, 1.50 in silver" in made.text
    assert "    ids: 7, 8\n" in made.text


def test_a_report_says_what_was_not_compared() -> None:
    old = status()["models"][0] | {"swept_at": "2026-03-01T09:59:00+00:00"}
    assert report(status(models=[old]), reads=True).line.endswith("0 differences; not compared for a day: res.partner")
    assert "no Odoo is configured; 0 differences" in report(status(models=[old]), reads=False).line
    before = report(status(reconciliation=[TOTAL]), reads=False)
    assert before.line.endswith(", 1 difference")
    assert "No Odoo is configured now" in before.text


class Session:
    """What the program asks, answered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, query: str) -> "Session":
        self.query = query
        return self

    def fetchall(self) -> list[Any]:
        return [(status(),)] if "status" in self.query else [("odoo_sync_dead_letters", {}, 0)]


def test_files_are_written_whole_and_old_reports_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg, "connect", Session)
    monkeypatch.setenv("ODOO_URL", "https://odoo.example.com")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "reconciliation-2026-01-01.txt").write_text("old")
    assert cli.main(["report", str(tmp_path), "30"]) == 0
    assert [path.name for path in folder.iterdir()] == ["reconciliation-2026-03-02.txt"]
    assert cli.main(["page", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "latency.svg", "metrics.prom", "reports"]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in tmp_path.iterdir() if path.is_file())
    assert "reconciliation-2026-03-02.txt" in (tmp_path / "index.html").read_text()
    assert "odoo_sync_report_timestamp_seconds" in (tmp_path / "metrics.prom").read_text()


@pytest.mark.parametrize("arguments", [["page"], ["report", "30"]])
def test_a_database_that_is_down_is_one_line_and_the_old_page_stays(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise psycopg.OperationalError("connection failed\n\tIs the server running?")

    monkeypatch.setattr(psycopg, "connect", refuse)
    (tmp_path / "index.html").write_text("before")
    command, *rest = arguments
    assert cli.main([command, str(tmp_path), *rest]) == 1
    assert capsys.readouterr().err == (
        "nothing was written, what is there stays: connection failed Is the server running?\n"
    )
    assert (tmp_path / "index.html").read_text() == "before"
