"""A live platform moves through the phases in place."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.platform import Platform

KEPT = ("Droplet", "Volume", "ReservedIp", "VolumeAttachment", "Vpc")


def kind(step: dict[str, Any]) -> str:
    name: str = step["urn"].split("::")[2].rsplit(":", 1)[-1]
    return name


@pytest.mark.parametrize("phase", [2, 3, 4])
def test_promotion_resizes_and_replaces_nothing(platform: Platform, phase: int, tmp_path: Path) -> None:
    steps = platform.preview_steps(tmp_path, phase=phase)
    assert {step["op"] for step in steps} <= {"update", "create"}, steps
    kept = {kind(step): step["op"] for step in steps if kind(step) in KEPT}
    assert kept == ({"Droplet": "update"} if phase > 2 else {}), "phases 1 and 2 have the same size, 3 and 4 the next"


def test_a_smaller_volume_is_refused(platform: Platform, tmp_path: Path) -> None:
    run = platform.preview(tmp_path, volume_size=400)
    assert run.code != 0
    assert "400" in run.text
    assert "500" in run.text


def test_a_larger_volume_grows_in_place(platform: Platform, tmp_path: Path) -> None:
    steps = platform.preview_steps(tmp_path, volume_size=600)
    assert {kind(step): step["op"] for step in steps if kind(step) in KEPT} == {"Volume": "update"}


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("phase", "5", "4"),
        ("region", "mars1", "fra1"),
        ("domain", "not a domain", "domain"),
        ("dns_provider", "squarespace", "external"),
        ("environment", "prod", "production"),
    ],
)
def test_bad_configuration_names_key_value_and_what_is_allowed(
    platform: Platform, tmp_path: Path, key: str, value: str, allowed: str
) -> None:
    run = platform.preview(tmp_path, **{key: value})
    assert run.code != 0
    for word in (key, value, allowed):
        assert word in run.text, f"{word} is not named:\n{run.text}"
    assert "Traceback" not in run.text
