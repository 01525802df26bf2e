import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from infra.tokens import TokenError, elliptic_key, key_set, sign, signing_keys, symmetric_key, verify

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 60
SECRET = "5" * 64
KEY, OTHER = symmetric_key(SECRET), symmetric_key("6" * 64)
PAIR, OTHER_PAIR = elliptic_key(), elliptic_key()
KEYS = [KEY, PAIR]
every_kind = pytest.mark.parametrize("key", KEYS, ids=["HS256", "ES256"])


def token(key: dict[str, Any] = KEY, exp: int = LATER, **header: Any) -> str:
    return sign({"role": "anon", "exp": exp}, {**key, **header})


def test_a_symmetric_key_is_the_secret_under_a_name_that_does_not_give_it_away() -> None:
    assert base64.urlsafe_b64decode(KEY["k"] + "==").decode() == SECRET
    assert KEY["kid"] != OTHER["kid"]
    assert SECRET not in json.dumps({**KEY, "k": ""})


def test_a_pair_is_named_as_rfc_7638_says() -> None:
    # Written out by hand, in the order of the alphabet and without spaces, as the standard wants it.
    text = f'{{"crv":"P-256","kty":"EC","x":"{PAIR["x"]}","y":"{PAIR["y"]}"}}'
    assert base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=") == PAIR["kid"]
    assert PAIR["d"] != OTHER_PAIR["d"]
    assert {len(PAIR[part]) for part in "xyd"} == {43}


@every_kind
def test_another_library_reads_what_is_signed(key: dict[str, Any]) -> None:
    reader = jwt.PyJWK(key)
    assert jwt.decode(token(key, exp=2**32), reader, algorithms=[key["alg"]]) == {"role": "anon", "exp": 2**32}
    assert jwt.get_unverified_header(token(key)) == {"alg": key["alg"], "typ": "JWT", "kid": key["kid"]}


@every_kind
def test_what_another_library_signed_verifies(key: dict[str, Any]) -> None:
    signed = jwt.encode({"exp": LATER}, jwt.PyJWK(key), algorithm=key["alg"], headers={"kid": key["kid"]})
    assert verify(signed, key_set([KEY, PAIR]), NOW) == {"exp": LATER}


def test_one_key_signs_and_each_can_verify() -> None:
    keys = json.loads(signing_keys([PAIR, KEY, OTHER]))
    assert [key["key_ops"] for key in keys] == [["sign", "verify"], ["verify"], ["verify"]]
    assert [key["kid"] for key in keys] == [PAIR["kid"], KEY["kid"], OTHER["kid"]]
    assert keys[0]["d"] == PAIR["d"]


def test_the_set_that_verifies_has_no_private_half() -> None:
    keys = json.loads(key_set([PAIR, KEY]))["keys"]
    assert [(key["kty"], key["alg"], key["key_ops"]) for key in keys] == [
        ("EC", "ES256", ["verify"]), ("oct", "HS256", ["verify"]),
    ]  # fmt: skip
    assert PAIR["d"] not in key_set([PAIR, KEY])


def test_a_token_of_every_key_verifies() -> None:
    keys = key_set([PAIR, KEY, OTHER_PAIR, OTHER])
    for key in (PAIR, KEY, OTHER_PAIR, OTHER):
        assert verify(token(key), keys, NOW)["role"] == "anon"


def confused() -> str:
    """Signed with the public half as if it were a shared secret."""
    header, claims, _ = token(PAIR, alg="HS256", k="").split(".")
    forged = hmac.new(base64.urlsafe_b64decode(PAIR["x"] + "="), f"{header}.{claims}".encode(), "sha256").digest()
    return f"{header}.{claims}.{base64.urlsafe_b64encode(forged).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "no token"),
        ("a.b.c", "no token"),
        (jwt.encode({"exp": LATER}, SECRET), "no token with a key id"),
        (token(OTHER), "not in the key set"),
        (token(OTHER_PAIR), "not in the key set"),
        (token(OTHER, kid=KEY["kid"]), "signature is wrong"),
        (token(OTHER_PAIR, kid=PAIR["kid"]), "signature is wrong"),
        (token(KEY, kid=PAIR["kid"]), "signature is wrong"),
        (token(PAIR)[:-4], "signature is wrong"),
        (confused(), "signature is wrong"),
        (token(exp=int(NOW.timestamp())), "expired"),
        (token(PAIR, exp=int(NOW.timestamp())), "expired"),
    ],
)
def test_anything_else_is_refused_with_the_reason(given: str, said: str) -> None:
    with pytest.raises(TokenError, match=said):
        verify(given, key_set([KEY, PAIR]), NOW)
