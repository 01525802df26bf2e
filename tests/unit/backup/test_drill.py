"""What the history of the drills tells Prometheus and people."""

from typing import Any

from ops.restore_drill import figures
from roles.backup.files.platform_backup.drill import metrics_of

PASSED: dict[str, Any] = {
    "id": "drill-1", "started": "2026-01-02T03:04:05.000Z", "result": "passed", "error": None, "seconds": 44.7,
    "bytes": 23421639, "tables": 12, "rows": 31, "rto_seconds": 12.8, "rpo_seconds": 44.2, "differences": [],
    "steps": {"restore": 8.7, "recovery": 4.1}, "target": {"name": "marker-1"}, "verified": "15 migrations",
}  # fmt: skip
FAILED = {
    **PASSED, "started": "2026-01-09T03:04:05.000Z", "result": "failed", "rto_seconds": None, "rpo_seconds": None,
    "differences": [{"what": "rows of public.a", "expected": "1", "found": "2"}],
}  # fmt: skip
NOTHING = {**FAILED, "target": None, "steps": {}, "verified": None}


def values(*history: dict[str, Any]) -> dict[str, float]:
    return {name.removeprefix("supabase_restore_drill_"): value for name, (_, value) in metrics_of(history).items()}


def test_no_drill_no_metrics() -> None:
    assert values() == {}


def test_a_failed_drill_does_not_move_the_last_success() -> None:
    after = values(PASSED, FAILED)
    assert after["last_success_timestamp_seconds"] == values(PASSED)["last_success_timestamp_seconds"]
    assert after["last_run_timestamp_seconds"] - after["last_success_timestamp_seconds"] == 7 * 86400
    assert (after["last_result"], after["differences"]) == (0.0, 1.0)
    assert "rpo_seconds" not in after


def test_a_passed_drill_tells_its_figures() -> None:
    assert values(PASSED) | {"last_result": 1.0, "rto_seconds": 12.8, "rpo_seconds": 44.2} == values(PASSED)


def test_the_table_holds_steps_and_figures_also_of_a_drill_that_came_nowhere() -> None:
    text = figures(PASSED)
    for part in ("drill to marker-1", "passed", "step: restore", "8.7 s", "44.2 s", "15 migrations"):
        assert part in text
    assert "unknown" in figures(NOTHING)
