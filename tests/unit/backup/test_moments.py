"""The ledger: what is written is read back, whatever a crash left of it, and it does not grow for ever."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from roles.backup.files.platform_backup.moments import (
    Content,
    Moment,
    append_line,
    prune_ledger,
    read_ledger,
    utc,
    write_metrics,
)
from roles.backup.files.platform_backup.scratch import Difference, compare

NOW = datetime(2026, 1, 30, 12, tzinfo=UTC)
TABLES = {"public.a": Content(3, "-17"), "public.b": Content(2, "5", 12.5)}


def moment(days_ago: float) -> Moment:
    at = utc(NOW - timedelta(days=days_ago))
    return Moment(f"m{days_ago}", at, "1", 1, "0/20", "0" * 24, "5:5:", 1, 0.1, TABLES)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_what_is_written_is_read_back(ledger: Path) -> None:
    assert read_ledger(ledger) == []
    append_line(ledger, moment(1).as_line())
    append_line(ledger, moment(0).as_line())
    assert read_ledger(ledger) == [moment(1), moment(0)]
    assert ledger.stat().st_mode & 0o777 == 0o640
    assert '"checked":"sample","percent":12.5' in ledger.read_text()


def test_a_line_that_a_crash_cut_off_is_named_and_costs_no_other(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.write_text(moment(2).as_line() + "\n" + moment(1).as_line()[:40])
    append_line(ledger, moment(0).as_line())
    assert read_ledger(ledger) == [moment(2), moment(0)]
    assert f"{ledger} line 2 is no entry of the ledger" in capsys.readouterr().err


def test_what_no_backup_reaches_is_dropped(ledger: Path) -> None:
    for days in (40, 36, 30, 1):
        append_line(ledger, moment(days).as_line())
    prune_ledger(ledger, NOW, days=35)
    assert [entry.name for entry in read_ledger(ledger)] == ["m30", "m1"]
    before = ledger.stat().st_ino
    prune_ledger(ledger, NOW, days=35)
    assert ledger.stat().st_ino == before, "a file that loses nothing is not written anew"


def test_every_difference_is_named_without_the_rows() -> None:
    assert compare(TABLES, TABLES) == []
    found = {"public.a": Content(4, "-17"), "public.c": Content(0, "")}
    assert compare({"public.a": Content(3, "-17"), "public.b": Content(2, "5")}, found) == [
        Difference("rows of public.a", "3", "4"),
        Difference("table public.b", "present", "absent"),
        Difference("table public.c", "absent", "present"),
    ]
    assert compare({"public.a": Content(3, "-17")}, {"public.a": Content(3, "-18")}) == [
        Difference("checksum of public.a", "-17", "-18")
    ]


def test_metrics_keep_their_digits(tmp_path: Path) -> None:
    write_metrics(tmp_path / "x.prom", {"supabase_x_timestamp_seconds": ("When.", 1795411654.371)})
    assert (tmp_path / "x.prom").read_text() == (
        "# HELP supabase_x_timestamp_seconds When.\n"
        "# TYPE supabase_x_timestamp_seconds gauge\n"
        "supabase_x_timestamp_seconds 1795411654.371\n"
    )
