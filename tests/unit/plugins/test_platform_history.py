"""What the audit tells of backups and drills."""

import json
from typing import Any

import jsonschema
import pytest

from infra.audit import schema
from plugins.modules import platform_history
from plugins.modules.platform_history import backups, drills, read_backups
from roles.backup.files.platform_backup.drill import Record

INFO = [
    {
        "name": "main",
        "backup": [
            {
                "label": "20260102-030405F", "type": "full", "error": False,
                "timestamp": {"start": 1767323045, "stop": 1767323050},
                "lsn": {"start": "0/2000028", "stop": "0/2000120"},
                "info": {"size": 23421639, "delta": 23421639, "repository": {"size": 2812112, "delta": 2812112}},
            }
        ],
    }
]  # fmt: skip


def valid(part: str, document: Any) -> None:
    jsonschema.validate(document, {"$ref": f"#/$defs/{part}", "$defs": schema()["$defs"]})


def test_a_backup_is_told_as_the_schema_says() -> None:
    (row,) = backups(json.dumps(INFO))
    assert (row["label"], row["bytes"], row["lsn"]) == ("20260102-030405F", 23421639, ["0/2000028", "0/2000120"])
    valid("backup", row)


def test_before_the_first_backup_there_is_none() -> None:
    assert backups('[{"name": "main", "backup": []}]') == []
    assert backups("[]") == []


def test_a_repository_that_does_not_answer_is_not_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert read_backups("main") is None


def test_the_last_drills_are_told_as_the_schema_says() -> None:
    from dataclasses import asdict

    lines = [json.dumps(asdict(Record(f"drill-{n}", "2026-01-02T03:04:05.000Z", "random", n))) for n in range(5)]
    told = drills("\n".join(lines), keep=2)
    assert [row["id"] for row in told] == ["drill-3", "drill-4"]
    for row in told:
        valid("drill", row)
    assert set(platform_history.DRILL_KEYS) == set(schema()["$defs"]["drill"]["required"])
