import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from infra.secrets import (
    OVERLAPPING,
    ROTATABLE,
    SECRETS,
    ForgottenGenerationError,
    SecretProvider,
    make,
    opaque_key,
    public_facts,
    server_values,
    weak_secrets,
)
from infra.tokens import elliptic_key, key_set, sign, signing_keys, symmetric_key, verify

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def hexadecimal(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "kind": "hex", "length": 48, "generation": 1, "interval_days": 90, **changes}


def test_the_table_names_every_secret_with_the_plan_s_interval() -> None:
    table = {spec.name: (spec.kind, spec.interval_days) for spec in SECRETS}
    database = [name for name in table if name.startswith("db_")]
    assert len(database) == 8
    assert {table[name] for name in database} == {("hex", 90)}
    assert table["jwt_secret"] == ("hex", 365)
    assert table["jwt_signing_key"] == ("ec", 365)
    assert table["anon_key"] == ("jwt", None)
    assert table["service_role_key"] == ("jwt", 90)
    assert table["publishable_key"] == ("opaque", None)
    assert table["secret_key"] == ("opaque", 90)


def test_an_opaque_key_carries_its_kind_and_its_check_characters() -> None:
    # The digest is that of `printf 'supabase-self-hosted|sb_secret_ABCDEFGHIJKLMNOPQRSTUV' | openssl sha256 -binary`.
    assert opaque_key("sb_secret_", "ABCDEFGHIJKLMNOPQRSTUV") == "sb_secret_ABCDEFGHIJKLMNOPQRSTUV_TGJQl2lQ"
    for prefix in ("sb_publishable_", "sb_secret_"):
        first, second = (make({"kind": "opaque", "prefix": prefix}, NOW)["value"] for _ in range(2))
        assert re.fullmatch(prefix + r"[\w-]{22}_[\w-]{8}", first)
        assert first == opaque_key(prefix, first.removeprefix(prefix)[:22])
        assert first != second


def test_keys_in_the_hands_of_clients_overlap() -> None:
    assert {"publishable_key", "secret_key", "anon_key", "service_role_key"} <= set(OVERLAPPING)


def test_what_encrypts_data_is_never_renewed() -> None:
    fixed = {spec.name: (spec.length, spec.interval_days) for spec in SECRETS if not spec.rotates}
    assert fixed == dict.fromkeys(("backup_cipher", "pgsodium_key", "n8n_encryption_key"), (64, None))
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


def test_a_token_is_signed_by_the_named_key_and_dated_by_the_day_it_was_made() -> None:
    secret = "5" * 64
    props = {"kind": "jwt", "role": "anon", "lifetime_days": 3650, "signing_secret": secret}
    made = make(props, NOW)
    assert made == make(props, NOW)
    assert verify(made["value"], key_set([symmetric_key(secret)]), NOW) == {
        "iss": "supabase",
        "role": "anon",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3650 * 86400,
    }
    assert made["expires_at"].startswith("2035-12-31")


def test_an_ssh_key_pair_belongs_together() -> None:
    made = make({"kind": "ssh"}, NOW)
    private = serialization.load_ssh_private_key(made["value"].encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert made["public"] == public.decode()
    assert made["public"].startswith("ssh-ed25519 ")


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown kind 'rot13'"):
        make({"kind": "rot13"}, NOW)


def updated(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """What the engine keeps after an update that it was told of."""
    provider = SecretProvider()
    assert provider.diff("x", olds, news).changes
    assert provider.diff("x", olds, news).replaces is None
    return dict(provider.update("x", olds, news).outs or {})


def first(**changes: Any) -> dict[str, Any]:
    return dict(SecretProvider().create(hexadecimal(**changes)).outs or {})


@pytest.mark.parametrize("change", [{"generation": 2}, {"length": 64}, {"signing_secret": "other"}])
def test_a_changed_identity_makes_a_new_value_and_remembers_the_old_one(change: dict[str, Any]) -> None:
    created = first()
    assert created["previous"] == {}
    after = updated(created, hexadecimal(**change))
    assert after["value"] != created["value"]
    assert after["previous"]["value"] == created["value"]
    assert after["previous"]["generation"] == 1
    assert after["previous_made_at"] == created["made_at"]


def test_a_lowered_generation_brings_the_old_value_back_with_its_date() -> None:
    created = {**first(), "made_at": "2025-01-02T03:04:05Z"}
    after = updated(created, hexadecimal(generation=2))
    assert after["made_at"] != created["made_at"]
    assert updated(after, hexadecimal()) == created


def test_a_value_that_was_taken_back_does_not_come_again() -> None:
    refused = updated(first(), hexadecimal(generation=2))
    again = updated(updated(refused, hexadecimal()), hexadecimal(generation=2))
    assert again["value"] != refused["value"]


def test_only_the_last_value_is_remembered_and_an_older_one_is_refused() -> None:
    third = updated(updated(first(), hexadecimal(generation=2)), hexadecimal(generation=3))
    assert third["previous"]["generation"] == 2
    with pytest.raises(ForgottenGenerationError, match="x: the value of generation 1 is not kept any more"):
        SecretProvider().update("x", third, hexadecimal())


def test_a_finished_rotation_forgets_the_old_value_and_the_next_one_remembers_again() -> None:
    second = updated(first(), hexadecimal(generation=2, finished=1))
    finished = updated(second, hexadecimal(generation=2, finished=2))
    assert finished["value"] == second["value"]
    assert finished["previous"] == {}
    assert finished["previous_made_at"] == ""
    third = updated(finished, hexadecimal(generation=3, finished=2))
    assert third["previous"]["value"] == second["value"]


def test_a_derived_token_follows_its_key_forth_and_back() -> None:
    token = {"name": "t", "kind": "jwt", "role": "anon", "lifetime_days": 9, "generation": 1}
    created = dict(SecretProvider().create({**token, "signing_secret": "1" * 64}).outs or {})
    after = updated(created, {**token, "signing_secret": "2" * 64})
    assert verify(after["value"], key_set([symmetric_key("2" * 64)]), datetime.now(UTC))
    assert after["previous"]["value"] == created["value"]
    assert updated(after, {**token, "signing_secret": "1" * 64}) == created


def test_a_changed_interval_keeps_the_value_and_its_date() -> None:
    created = first()
    assert updated(created, hexadecimal(interval_days=30)) == {**created, "interval_days": 30}


def test_an_unchanged_secret_is_left_alone() -> None:
    assert SecretProvider().diff("x", first(), hexadecimal()).changes is False


def test_a_state_from_before_values_were_remembered_is_brought_up_to_date_with_the_same_value() -> None:
    created = first()
    older = {key: value for key, value in created.items() if not key.startswith("previous")}
    assert updated(older, hexadecimal()) == created


PAIR, OLD_PAIR = elliptic_key(), elliptic_key()
VALUES = {spec.name: f"new-{spec.name}" for spec in SECRETS} | {"jwt_signing_key": json.dumps(PAIR)}
KEY, OLD_KEY = symmetric_key(VALUES["jwt_secret"]), symmetric_key("old-key")


def made(**previous: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every secret of the table, those that are named with the value before."""
    return {name: (value, {"value": previous[name]} if name in previous else {}) for name, value in VALUES.items()}


def test_the_server_gets_the_values_and_the_keys_of_tokens() -> None:
    values = server_values(made(), {"backup_secret_key": "half"}, "HS256")
    assert values.keys() == {*VALUES, "backup_secret_key", "jwks", "jwt_signing_keys"}
    assert values["jwks"] == key_set([KEY, PAIR])
    assert values["jwt_signing_keys"] == signing_keys([KEY, PAIR])


def test_the_server_gets_what_is_still_accepted_and_no_other_old_value() -> None:
    old = {"jwt_secret": "old-key", "jwt_signing_key": json.dumps(OLD_PAIR), "anon_key": "old-token"}
    values = server_values(made(**old, db_workbench="old-password"), {}, "ES256")
    assert values["jwks"] == key_set([KEY, OLD_KEY, PAIR, OLD_PAIR])
    assert values["jwt_signing_keys"] == signing_keys([PAIR, OLD_PAIR, KEY, OLD_KEY])
    assert values["anon_key_previous"] == "old-token"
    assert {name for name in values if name.endswith("_previous")} == {"anon_key_previous"}
    assert "old-password" not in values.values()


@pytest.mark.parametrize(("before", "after"), [("HS256", "ES256"), ("ES256", "HS256")])
def test_another_algorithm_logs_nobody_out(before: str, after: str) -> None:
    """Whoever verifies knew the new key beforehand and knows the old one afterwards: what they have is the same."""
    sets = {name: server_values(made(), {}, name) for name in (before, after)}
    assert sets[before]["jwks"] == sets[after]["jwks"]
    for algorithm, values in sets.items():
        (signer,) = [key for key in json.loads(values["jwt_signing_keys"]) if "sign" in key["key_ops"]]
        assert signer["alg"] == algorithm
        session = sign({"role": "authenticated", "exp": NOW.timestamp() + 60}, signer)
        anonymous = sign({"role": "anon", "exp": NOW.timestamp() + 60}, symmetric_key(values["jwt_secret"]))
        for verifying in sets.values():
            assert verify(session, verifying["jwks"], NOW)["role"] == "authenticated"
            assert verify(anonymous, verifying["jwks"], NOW)["role"] == "anon"


def test_nobody_but_auth_gets_the_private_half() -> None:
    values = server_values(made(), {}, "ES256")
    assert [name for name, value in values.items() if PAIR["d"] in value] == ["jwt_signing_key", "jwt_signing_keys"]


def test_facts_say_when_a_secret_is_due_and_until_when_an_overlap_is_to_be_finished() -> None:
    now, before = "2026-01-02T03:04:05Z", "2025-01-02T03:04:05Z"
    dates = {spec.name: (now, before if spec.name in {"jwt_secret", "db_workbench"} else "") for spec in SECRETS}
    facts = public_facts(dates, {"backup_secret_key": now})
    assert facts["jwt_secret"] == {
        "made_at": now,
        "interval_days": 365,
        "due_at": "2027-01-02T03:04:05Z",
        "previous": {"made_at": before, "finish_by": "2026-02-01T03:04:05Z"},
    }
    assert facts["db_workbench"]["previous"] is None, "PostgreSQL accepts one password, so the old one is no fact"
    assert facts["backup_cipher"]["due_at"] is None
    assert facts["backup_secret_key"]["due_at"] == "2026-04-02T03:04:05Z"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "s is empty"),
        ("your-super-secret-jwt-token-with-at-least-32-characters-long", "published in a public example"),
        ("minioadmin", "published in a public example"),
        ("hunter2", "shorter than 32 characters"),
        (sign({"iss": "supabase-demo", "role": "anon"}, symmetric_key("x")), "published in a public example"),
    ],
)
def test_a_known_empty_or_short_secret_is_refused_by_name(value: str, said: str) -> None:
    (problem,) = weak_secrets({"s": value})
    assert said in problem
    assert not value or value not in problem


def test_generated_secrets_are_accepted() -> None:
    values = {spec.name: make({"kind": "hex", "length": 48}, NOW)["value"] for spec in SECRETS}
    values["anon_key"] = sign({"iss": "supabase", "role": "anon"}, symmetric_key("x" * 64))
    assert weak_secrets(values) == []
