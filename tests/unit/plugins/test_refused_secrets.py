"""Which secrets are refused, and that their values are never told."""

import base64
import json

import pytest

from plugins.filter.secrets import refused_secrets
from tests.unit.project import GROUP_VARS, read_yaml

KNOWN = read_yaml(GROUP_VARS / "known_defaults.yml")
GOOD = "5f0c" * 12


def refused(value: str | None) -> list[str]:
    secrets = {} if value is None else {"db_password": value}
    return refused_secrets(
        secrets,
        ["db_password"],
        KNOWN["known_default_secrets"],
        KNOWN["known_default_issuers"],
        KNOWN["secret_minimum_length"],
    )


def token(claims: object) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "x"}, claims)
    ]
    return ".".join([*parts, "signature"])


def test_a_generated_secret_is_accepted() -> None:
    assert refused(GOOD) == []


@pytest.mark.parametrize("value", [None, "", "   "])
def test_nothing_is_no_secret(value: str | None) -> None:
    assert refused(value) == ["db_password is missing or empty"]


def test_a_short_one_is_refused_with_both_lengths() -> None:
    assert refused("a" * 31) == ["db_password has 31 characters, at least 32 are needed"]


@pytest.mark.parametrize("value", KNOWN["known_default_secrets"])
def test_every_published_one_is_refused(value: str) -> None:
    assert refused(value) == ["db_password is a published default"]


def test_a_published_issuers_token_is_refused_whatever_its_signature() -> None:
    assert refused(token({"iss": "supabase-demo", "role": "anon"})) == ["db_password is a published default"]
    assert refused(token({"iss": "supabase", "role": "anon"})) == []


@pytest.mark.parametrize("value", ["a.b.c" + GOOD, "x" * 20 + "." + "!" * 20 + ".x", token(["x" * 20])])
def test_what_only_looks_like_a_token_is_a_plain_secret(value: str) -> None:
    assert refused(value) == []


def test_the_value_is_never_told() -> None:
    assert "hunter2" not in "".join(refused("hunter2"))
