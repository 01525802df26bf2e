"""Whether a running service has its files as they are now."""

from plugins.modules.reloaded_service import fingerprint, loaded, started

START = "Mon 2026-11-23 04:45:17.500000 UTC"
MOMENT = started(START)
NOW = {"started": START, "content": fingerprint([b"new"])}


def test_what_was_written_before_the_start_was_read_by_it() -> None:
    assert loaded([MOMENT - 1], START, {}, NOW)


def test_what_was_written_since_is_loaded_once_it_is_noted() -> None:
    assert not loaded([MOMENT + 1], START, {}, NOW)
    assert not loaded([MOMENT - 1, MOMENT + 1], START, {}, NOW)
    assert loaded([MOMENT + 1], START, NOW, NOW)


def test_a_note_of_another_start_or_another_content_says_nothing() -> None:
    assert not loaded([MOMENT + 1], START, {**NOW, "started": ""}, NOW)
    assert not loaded([MOMENT + 1], START, {**NOW, "content": fingerprint([b"old"])}, NOW)


def test_contents_do_not_run_into_each_other() -> None:
    assert fingerprint([b"ab", b"c"]) != fingerprint([b"a", b"bc"])
