"""What Prometheus is told."""

from pathlib import Path
from typing import Any

import pytest

from roles.backup.files.platform_backup import metrics

KNOWN: dict[str, Any] = {
    "backups": {"full": {"label": "F", "start": 1795410402, "stop": 1795410405, "size": 23421639, "stored": 2825128}},
    "runs": {"full": {"ok": True, "ended": 1795410405}, "verify": {"ok": False, "ended": 1795410500}},
}


def test_each_number_has_its_name_and_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1795411000.0)
    archiver = {"archived": 7, "failed": 2, "ok": False}
    lines = metrics.render(KNOWN, archiver, [1795410940.0, 1795410990.0], 1).splitlines()
    assert {line for line in lines if not line.startswith("#")} == {
        'supabase_backup_last_success_timestamp_seconds{type="full"} 1795410405',
        'supabase_backup_size_bytes{type="full"} 23421639',
        'supabase_backup_stored_bytes{type="full"} 2825128',
        'supabase_backup_duration_seconds{type="full"} 3',
        'supabase_backup_last_run_ok{type="full"} 1',
        'supabase_backup_last_run_ok{type="verify"} 0',
        'supabase_backup_last_run_timestamp_seconds{type="full"} 1795410405',
        'supabase_backup_last_run_timestamp_seconds{type="verify"} 1795410500',
        "supabase_backup_archived_total 7",
        "supabase_backup_archive_failures_total 2",
        "supabase_backup_archiver_ok 0",
        "supabase_backup_wal_waiting_segments 2",
        "supabase_backup_wal_behind_seconds 60",
        "supabase_backup_replaced_directories 1",
    }
    assert sum(line.startswith("# HELP") for line in lines) == sum(line.startswith("# TYPE") for line in lines) == 12


def test_a_server_that_does_not_answer_has_no_archiver_but_still_a_queue() -> None:
    text = metrics.render({"backups": {}, "runs": {}}, None, [], 0)
    assert "archiver_ok" not in text
    assert "supabase_backup_wal_waiting_segments 0" in text


def test_waiting_segments_are_counted_from_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "pg_wal" / "archive_status"
    folder.mkdir(parents=True)
    for name in ("000000010000000000000001.done", "000000010000000000000002.ready", "00000002.history.ready"):
        (folder / name).touch()
    assert len(metrics.waiting_segments(tmp_path)) == 2
