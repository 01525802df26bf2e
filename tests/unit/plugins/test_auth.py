"""What Auth is told about identity providers, and which keys it is not given."""

import json
from typing import Any

import pytest

from infra.tokens import elliptic_key, signing_keys, symmetric_key
from plugins.filter.auth import auth_provider_secret, auth_provider_settings, refused_signing_keys

SECRET = "5" * 64
PAIR, KEY = elliptic_key(), symmetric_key(SECRET)
GITHUB: dict[str, Any] = {"key": "github", "value": {"client_id": "c1", "secret": "auth_github_client_secret"}}


def test_a_provider_has_all_four_variables_and_the_secret_is_apart() -> None:
    assert auth_provider_settings(GITHUB, "https://api.example.com/auth/v1") == {
        "GOTRUE_EXTERNAL_GITHUB_ENABLED": "true",
        "GOTRUE_EXTERNAL_GITHUB_CLIENT_ID": "c1",
        "GOTRUE_EXTERNAL_GITHUB_REDIRECT_URI": "https://api.example.com/auth/v1/callback",
    }
    own = {"key": "github", "value": {**GITHUB["value"], "url": "https://github.example.com"}}
    assert auth_provider_settings(own, "u")["GOTRUE_EXTERNAL_GITHUB_URL"] == "https://github.example.com"
    assert auth_provider_secret(GITHUB, {"auth_github_client_secret": "s"}) == {"GOTRUE_EXTERNAL_GITHUB_SECRET": "s"}


@pytest.mark.parametrize("keys", [[KEY], [PAIR, KEY], [KEY, PAIR, symmetric_key("6" * 64)]])
def test_what_the_program_makes_is_accepted(keys: list[dict[str, Any]]) -> None:
    assert refused_signing_keys(signing_keys(keys), SECRET) == []


def without(field: str) -> str:
    first, *others = json.loads(signing_keys([KEY, PAIR]))
    del first[field]
    return json.dumps([first, *others])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ('{"keys": []}', "no list"),
        ("[1]", "no list"),
        (without("key_ops"), "0 of its keys sign"),
        (json.dumps([*json.loads(signing_keys([KEY])), *json.loads(signing_keys([PAIR]))]), "2 of its keys sign"),
        (without("kid"), "a name"),
        (signing_keys([KEY, {**PAIR, "kid": KEY["kid"]}]), "a name"),
        (without("alg"), "its algorithm"),
        (signing_keys([PAIR]), "the shared secret is not among them"),
        (signing_keys([PAIR, symmetric_key("6" * 64)]), "the shared secret is not among them"),
    ],
)
def test_keys_that_auth_could_not_use_are_refused_without_showing_them(text: str, said: str) -> None:
    refused = "; ".join(refused_signing_keys(text, SECRET))
    assert said in refused
    assert PAIR["d"] not in refused
    assert KEY["k"] not in refused
