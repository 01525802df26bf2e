"""What `make status` says of secrets, and of stand-ins."""

from datetime import UTC, datetime
from typing import Any

from ops.status import identity, secret_rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def outputs(*secrets: dict[str, Any]) -> dict[str, Any]:
    plain = {"made_at": "2026-01-01T00:00:00Z", "interval_days": None, "due_at": None, "previous": None}
    return {"audit": {"secrets": [{**plain, **secret} for secret in secrets]}}


def test_a_secret_within_its_interval_is_not_mentioned() -> None:
    assert secret_rows(outputs({"name": "a"}, {"name": "b", "due_at": "2026-06-01T00:00:01Z"}), NOW) == []


def test_a_due_secret_comes_with_its_command() -> None:
    due = "2026-05-31T00:00:00Z"
    assert secret_rows(outputs({"name": "a", "due_at": due}), NOW) == [
        ["a", "a new value", due, "make rotate SECRET=a"]
    ]


def test_the_two_halves_of_the_backup_key_are_one_secret() -> None:
    due = {"due_at": "2026-05-31T00:00:00Z"}
    rows = secret_rows(outputs({"name": "backup_access_key", **due}, {"name": "backup_secret_key", **due}), NOW)
    assert [row[0] for row in rows] == ["backup_key"]


def test_an_open_overlap_is_mentioned_from_its_first_day() -> None:
    previous = {"made_at": "2025-01-01T00:00:00Z", "finish_by": "2026-07-01T00:00:00Z"}
    assert secret_rows(outputs({"name": "jwt_secret", "previous": previous}), NOW) == [
        ["jwt_secret", "the end of the one before", "2026-07-01T00:00:00Z", "make rotate SECRET=jwt_secret FINISH=1"]
    ]


def test_a_stand_in_is_not_called_by_the_name_of_what_it_stands_in_for() -> None:
    row = identity("Gateway (Kong)", {"version": None, "stand_in": "Kong: nginx with Lua"})
    assert row == {
        "component": "stand-in for Gateway (Kong)",
        "version": "none",
        "kind": "stand-in",
        "stand_in": "Kong: nginx with Lua",
    }


def test_the_real_one_has_its_version() -> None:
    row = identity("Gateway (Kong)", {"version": "3.9.3", "stand_in": None})
    assert (row["component"], row["version"], row["kind"]) == ("Gateway (Kong)", "3.9.3", "real")


def test_what_the_audit_has_not_seen_is_unknown() -> None:
    assert identity("Gateway (Kong)", None)["kind"] == "unknown"
