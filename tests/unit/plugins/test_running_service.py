"""When a service must be started or restarted."""

import pytest

from plugins.modules.running_service import parse, reason, reload_reason, started

STAMP = "Mon 2026-11-23 04:45:17.250000 UTC"
AT = 1795409117.25


def running(**changed: str) -> dict[str, str]:
    return {"ActiveState": "active", "ExecMainStartTimestamp": STAMP, **changed}


def test_properties_are_read_with_equal_signs_in_values() -> None:
    assert parse("ActiveState=active\nEnvironment=A=1\n") == {"ActiveState": "active", "Environment": "A=1"}


def test_a_stamp_is_read_to_the_microsecond() -> None:
    assert started(STAMP) == pytest.approx(AT)
    assert started("") == 0.0


def test_a_service_that_started_after_its_files_is_left_alone() -> None:
    assert reason(running(), {"/etc/a": AT - 0.001}) == ""


def test_a_service_that_started_before_a_file_is_restarted() -> None:
    assert reason(running(), {"/etc/a": AT - 1, "/etc/b": AT + 0.001}) == "it started before /etc/b was written"


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", ""])
def test_a_service_that_does_not_run_is_started(state: str) -> None:
    assert reason(running(ActiveState=state), {}).startswith("it was")


def test_a_service_is_reloaded_when_a_file_is_newer_than_its_last_start_or_reload() -> None:
    loaded = running(StateChangeTimestamp=STAMP, ExecMainStartTimestamp="")
    assert reload_reason(loaded, {"/etc/a": AT - 0.001}) == ""
    assert reload_reason(loaded, {"/etc/a": AT + 0.001}) == "it was last loaded before /etc/a was written"
