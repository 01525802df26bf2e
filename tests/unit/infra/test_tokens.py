import base64
import json
from datetime import UTC, datetime

import pytest

from infra.tokens import TokenError, key_id, key_set, sign, verify

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 60
KEY, OTHER = "5" * 64, "6" * 64


def token(secret: str = KEY, kid: str | None = None, exp: int = LATER) -> str:
    return sign({"role": "anon", "exp": exp}, secret, kid or key_id(secret))


def test_tokens_follow_the_published_example_of_the_format() -> None:
    example = sign({"sub": "1234567890", "name": "John Doe", "iat": 1516239022}, "your-256-bit-secret")
    assert example.endswith(".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")


def test_the_first_key_of_the_set_signs_and_the_others_verify() -> None:
    keys = json.loads(key_set([KEY, OTHER]))["keys"]
    assert [key["key_ops"] for key in keys] == [["sign", "verify"], ["verify"]]
    assert [key["kid"] for key in keys] == [key_id(KEY), key_id(OTHER)]
    assert {(key["kty"], key["alg"]) for key in keys} == {("oct", "HS256")}
    assert base64.urlsafe_b64decode(keys[0]["k"] + "==").decode() == KEY


def test_a_token_of_either_key_verifies() -> None:
    keys = key_set([KEY, OTHER])
    assert verify(token(KEY), keys, NOW)["role"] == "anon"
    assert verify(token(OTHER), keys, NOW)["role"] == "anon"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "no token"),
        ("a.b.c", "no token"),
        (sign({"exp": LATER}, KEY), "no token with a key id"),
        (token(OTHER), "not in the key set"),
        (token(OTHER, kid=key_id(KEY)), "signature is wrong"),
        (token(exp=int(NOW.timestamp())), "expired"),
    ],
)
def test_anything_else_is_refused_with_the_reason(given: str, said: str) -> None:
    with pytest.raises(TokenError, match=said):
        verify(given, key_set([KEY]), NOW)
