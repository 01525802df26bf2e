"""The page about the synchronisation."""

from typing import Any

from roles.odoo_sync.files.odoo_sync_page import chart, page

NOW = "2026-03-02T10:00:00+00:00"


def status(**changes: Any) -> dict[str, Any]:
    model = {
        "model": "res.partner", "records": 1234, "lag_seconds": 12.3, "polled_at": NOW, "swept_at": None, "failures": 0,
        "retry_at": None, "quarantined": 0, "latency": {"records": 5, "p95_seconds": 1.25, "worst_seconds": 2},
        "last_run": {"kind": "poll", "reason": "nudge", "state": "done", "changed": 5},
    }  # fmt: skip
    known = {
        "at": NOW, "odoo": {"version": 19, "reported": "19.0", "seen_at": NOW}, "models": [model], "latencies": [],
        "dead_letters": [], "conflicts": [], "quarantine": [], "reconciliation": [], "companies": [],
    }  # fmt: skip
    return known | changes


def test_when_all_is_well_it_says_so() -> None:
    text = page(status(), "/style.css")
    assert "Everything is read, and nothing differs." in text
    for part in ("Odoo 19.0", "1,234", "12 s ago", "poll (nudge): done", "1.2 s"):
        assert part in text


def test_what_is_wrong_comes_first() -> None:
    late = status()["models"][0] | {"lag_seconds": 600, "failures": 2, "retry_at": NOW}
    differs = {
        "model": "account.move", "company_id": 1, "day": "2026-02-01", "odoo_records": 2, "silver_records": 1,
        "odoo_sums": [3], "silver_sums": [1.5], "gold_sum": None, "differing_ids": [7], "agrees": False,
    }  # fmt: skip
    text = page(status(models=[late], reconciliation=[differs]), "/style.css")
    assert (
        "not read for 3 minutes: res.partner; failing: res.partner; Odoo and the platform differ: account.move" in text
    )
    assert "differs: 7" in text


def test_nothing_in_it_is_markup() -> None:
    letter = {"last_at": NOW, "model": None, "reason": "<b>", "message": "<script>", "times": 1}
    text = page(status(dead_letters=[letter]), "/style.css")
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


def test_before_the_first_answer_there_is_a_page() -> None:
    never = status()["models"][0] | {
        "lag_seconds": None, "polled_at": None, "last_run": None, "latency": {"p95_seconds": None}
    }  # fmt: skip
    text = page(status(odoo=None, models=[never]), "/style.css")
    assert "Odoo has not answered yet" in text
    assert "never" in text


def test_the_chart_marks_each_minute_with_changes() -> None:
    assert "no change in the last day" in chart(status())
    image = chart(status(latencies=[{"minute": "2026-03-02T09:00:00+00:00", "records": 3, "p95_seconds": 400}]))
    assert image.count("<circle") == 1
    assert "stroke-dasharray" in image
