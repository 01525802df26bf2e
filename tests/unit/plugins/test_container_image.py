"""When an image must come, and whether what came is the pinned one."""

import pytest

from plugins.modules.container_image import loaded_reference, matches, reason

PRESENT = {"Id": "abc"}
PIN = {"digest": "sha256:c0ffee"}


def test_an_image_as_noted_and_pinned_stays() -> None:
    assert reason(PRESENT, {"id": "abc", "digest": "sha256:c0ffee"}, PIN) == ""


@pytest.mark.parametrize(
    ("present", "note", "why"),
    [
        (None, {"id": "abc", "digest": "sha256:c0ffee"}, "it is not there"),
        (PRESENT, {}, "it is not the one that the platform brought"),
        (PRESENT, {"id": "tagged by hand", "digest": "sha256:c0ffee"}, "it is not the one that the platform brought"),
        (PRESENT, {"id": "abc", "digest": "sha256:decade"}, "another one is declared"),
        (PRESENT, {"id": "abc", "checksum": "1234"}, "another one is declared"),
    ],
)
def test_anything_else_makes_it_come(present: dict[str, str] | None, note: dict[str, str], why: str) -> None:
    assert reason(present, note, PIN) == why


def test_a_digest_may_be_pinned_by_its_first_characters() -> None:
    digests = ["docker.io/supabase/gotrue@sha256:0000", "docker.io/supabase/gotrue@sha256:c0ffee11"]
    assert matches(digests, "sha256:c0ffee")
    assert not matches(digests, "sha256:decade")
    assert not matches([], "sha256:c0ffee")


def test_what_was_loaded_is_read_by_name_or_by_id() -> None:
    assert loaded_reference("Loaded image: docker.io/library/a:1\n") == "docker.io/library/a:1"
    assert loaded_reference("Loaded image: sha256:0123\n") == "sha256:0123"
    assert loaded_reference("") == ""
