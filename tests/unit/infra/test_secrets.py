import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from infra.secrets import ROTATABLE, SECRETS, SecretProvider, make, sign_jwt, weak_secrets

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def hexadecimal(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "kind": "hex", "length": 48, "generation": 1, "interval_days": 90, **changes}


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def test_the_table_names_every_secret_with_the_plan_s_interval() -> None:
    table = {spec.name: (spec.kind, spec.interval_days) for spec in SECRETS}
    database = [name for name in table if name.startswith("db_")]
    assert len(database) == 6
    assert {table[name] for name in database} == {("hex", 90)}
    assert table["jwt_secret"] == ("hex", 365)
    assert table["anon_key"] == ("jwt", None)
    assert table["service_role_key"] == ("jwt", 90)


def test_what_encrypts_data_is_never_renewed() -> None:
    fixed = {spec.name: (spec.length, spec.interval_days) for spec in SECRETS if not spec.rotates}
    assert fixed == {"backup_cipher": (64, None), "pgsodium_key": (64, None)}
    assert not fixed.keys() & set(ROTATABLE)


def test_an_identifier_may_be_short_but_not_empty() -> None:
    assert weak_secrets({"backup_access_key": "DO00EXAMPLE000000001"}) == []
    assert weak_secrets({"backup_access_key": ""}) == ["backup_access_key is empty"]
    assert weak_secrets({"backup_secret_key": "DO00EXAMPLE000000001"}) != []


def test_a_secret_has_its_length_and_is_never_the_same_twice() -> None:
    first, second = make(hexadecimal(), NOW), make(hexadecimal(), NOW)
    assert len(first["value"]) == 48
    assert int(first["value"], 16)
    assert first["value"] != second["value"]
    assert first["made_at"] == "2026-01-02T03:04:05Z"


def test_a_token_is_signed_and_dated_by_the_day_it_was_made() -> None:
    secret = "5" * 64
    props = {"kind": "jwt", "role": "anon", "lifetime_days": 3650, "signing_secret": secret}
    made = make(props, NOW)
    assert made == make(props, NOW)
    assert claims_of(made["value"]) == {
        "iss": "supabase",
        "role": "anon",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3650 * 86400,
    }
    signed, _, signature = made["value"].rpartition(".")
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    assert signature == base64.urlsafe_b64encode(expected).rstrip(b"=").decode()
    assert made["expires_at"].startswith("2035-12-31")


def test_tokens_follow_the_published_example_of_the_format() -> None:
    token = sign_jwt({"sub": "1234567890", "name": "John Doe", "iat": 1516239022}, "your-256-bit-secret")
    assert token.endswith(".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")


def test_an_ssh_key_pair_belongs_together() -> None:
    made = make({"kind": "ssh"}, NOW)
    private = serialization.load_ssh_private_key(made["value"].encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert made["public"] == public.decode()
    assert made["public"].startswith("ssh-ed25519 ")


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown kind 'rot13'"):
        make({"kind": "rot13"}, NOW)


@pytest.mark.parametrize("change", [{"generation": 2}, {"length": 64}, {"signing_secret": "other"}])
def test_a_changed_identity_makes_a_new_value(change: dict[str, Any]) -> None:
    provider = SecretProvider()
    created = provider.create(hexadecimal()).outs
    assert created is not None
    news = hexadecimal(**change)
    assert provider.diff("x", created, news).changes
    updated = provider.update("x", created, news).outs
    assert updated is not None
    assert updated["value"] != created["value"]


def test_a_changed_interval_keeps_the_value_and_its_date() -> None:
    provider = SecretProvider()
    created = provider.create(hexadecimal()).outs
    assert created is not None
    news = hexadecimal(interval_days=30)
    assert provider.diff("x", created, news).changes
    updated = provider.update("x", created, news).outs
    assert updated == {**created, "interval_days": 30}


def test_an_unchanged_secret_is_left_alone() -> None:
    provider = SecretProvider()
    created = provider.create(hexadecimal()).outs
    assert created is not None
    assert provider.diff("x", created, hexadecimal()).changes is False
    assert provider.diff("x", created, hexadecimal()).replaces is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "s is empty"),
        ("your-super-secret-jwt-token-with-at-least-32-characters-long", "published in a public example"),
        ("minioadmin", "published in a public example"),
        ("hunter2", "shorter than 32 characters"),
        (sign_jwt({"iss": "supabase-demo", "role": "anon"}, "x"), "published in a public example"),
    ],
)
def test_a_known_empty_or_short_secret_is_refused_by_name(value: str, said: str) -> None:
    (problem,) = weak_secrets({"s": value})
    assert said in problem
    assert not value or value not in problem


def test_generated_secrets_are_accepted() -> None:
    values = {spec.name: make({"kind": "hex", "length": 48}, NOW)["value"] for spec in SECRETS}
    values["anon_key"] = sign_jwt({"iss": "supabase", "role": "anon"}, "x" * 64)
    assert weak_secrets(values) == []
