import copy
import json
from typing import Any

import pytest

from infra.audit import AuditError, build_audit
from infra.components import load
from tests.unit.infra.conftest import config

FACTS: dict[str, dict[str, Any]] = {
    "jwt_secret": {
        "made_at": "2026-01-02T03:04:05Z",
        "interval_days": 365,
        "due_at": "2027-01-02T03:04:05Z",
        "previous": {"made_at": "2025-01-02T03:04:05Z", "finish_by": "2026-02-01T03:04:05Z"},
    },
    "anon_key": {"made_at": "2026-01-02T03:04:05Z", "interval_days": None, "due_at": None, "previous": None},
}
CONVERGED = {"at": "2026-01-02T03:04:05Z", "commit": "c0ffee", "by": "ops@desk"}
SERVER: dict[str, Any] = {
    "firewall": {"active": True, "defaults": {"incoming": "deny"}, "rules": ["22/tcp ALLOW IN Anywhere"]},
    "listeners": [{"protocol": "tcp", "address": "0.0.0.0", "port": 22, "process": "sshd"}],  # noqa: S104
    "components": [],
    "postgresql": None,
    "extensions": [],
    "migrations": [],
    "rls": [{"schema": "public", "tables": 2, "protected": 2, "unprotected": []}],
    "pgbouncer": None,
}
HISTORY: dict[str, Any] = {
    "backups": [
        {
            "label": "20260102-030405F", "type": "full", "started": 1767323045, "stopped": 1767323050, "ok": True,
            "bytes": 23421639, "stored_bytes": 2812112, "lsn": ["0/2000028", "0/2000120"],
        }
    ],
    "drills": [
        {
            "id": "drill-20260102T040000Z", "started": "2026-01-02T04:00:00.000Z", "result": "passed", "error": None,
            "chosen": "random", "backup": "20260102-030405F", "bytes": 23421639, "seconds": 44.7,
            "target": {"name": "marker-1", "time": "2026-01-02T03:30:00.000Z", "lsn": "0/4000358", "timeline": 1},
            "steps": {"restore": 8.7}, "rto_seconds": 12.8, "rpo_seconds": None, "tables": 12, "sampled_tables": 0,
            "rows": 31, "verified": "15 migrations", "differences": [{"what": "x", "expected": "1", "found": "2"}],
        }
    ],
}  # fmt: skip


def audit(**changes: Any) -> dict[str, Any]:
    given = {
        "server": json.dumps(SERVER),
        "history": json.dumps(HISTORY),
        "secret_facts": FACTS,
        "drift": [],
        "converged": CONVERGED,
        **changes,
    }
    return build_audit(config(), load(), **given)


def test_the_document_follows_its_schema_before_and_after_the_first_run() -> None:
    assert audit()["version"] == 1
    assert audit(server=None, history=None, converged=None)["server"] is None


def test_what_happened_is_told_and_a_repository_that_is_silent_is_said_to_be() -> None:
    assert audit()["history"] == HISTORY
    silent: dict[str, Any] = {"backups": None, "drills": []}
    assert audit(history=json.dumps(silent))["history"] == silent


def test_a_drill_without_its_outcome_is_refused() -> None:
    broken = copy.deepcopy(HISTORY)
    del broken["drills"][0]["result"]
    with pytest.raises(AuditError, match=r"\$\.history"):
        audit(history=json.dumps(broken))


def test_the_document_says_nothing_about_the_run_that_wrote_it() -> None:
    assert audit() == audit()


def test_the_age_of_each_secret_is_stated() -> None:
    assert audit()["secrets"] == [{"name": name, **FACTS[name]} for name in ("anon_key", "jwt_secret")]


def test_drift_is_reported() -> None:
    entry = {"host": "supabase", "role": "firewall", "task": "Rules", "message": "changed"}
    assert audit(drift=[entry])["drift"] == [entry]


def test_a_document_that_breaks_its_schema_is_refused_with_the_place() -> None:
    broken = copy.deepcopy(SERVER)
    broken["listeners"][0]["port"] = "ssh"
    with pytest.raises(AuditError, match=r"\$\.server"):
        audit(server=json.dumps(broken))
