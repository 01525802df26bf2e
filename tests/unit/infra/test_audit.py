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


def audit(**changes: Any) -> dict[str, Any]:
    given = {"server": json.dumps(SERVER), "secret_facts": FACTS, "drift": [], "converged": CONVERGED, **changes}
    return build_audit(config(), load(), **given)


def test_the_document_follows_its_schema_before_and_after_the_first_run() -> None:
    assert audit()["version"] == 1
    assert audit(server=None, converged=None)["server"] is None


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
