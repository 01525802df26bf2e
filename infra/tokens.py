"""JSON Web Tokens signed with HMAC-SHA256 or ECDSA P-256, and the key sets (RFC 7517) that services use.

A key is a private JWK. `symmetric_key` makes one of a shared secret, `elliptic_key` a new pair.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

Key = Mapping[str, Any]

SYMMETRIC, ELLIPTIC = "HS256", "ES256"
_COORDINATE_BYTES = 32
# What a thumbprint (RFC 7638) is made of, by type of key; nobody needs the private half to compute it.
_NAMING = {"oct": ("k", "kty"), "EC": ("crv", "kty", "x", "y")}


class TokenError(Exception):
    """A token does not verify; the message says why, never what it holds."""


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text))


def _coordinate(number: int) -> str:
    return _encoded(number.to_bytes(_COORDINATE_BYTES))


def _named(key: dict[str, Any]) -> dict[str, Any]:
    """The key with its thumbprint: the same key has the same name everywhere, and it gives nothing away."""
    canonical = json.dumps({field: key[field] for field in _NAMING[key["kty"]]}, separators=(",", ":"))
    return {**key, "kid": _encoded(hashlib.sha256(canonical.encode()).digest())}


def symmetric_key(secret: str) -> dict[str, Any]:
    """The key that a shared secret is, with its name."""
    return _named({"kty": "oct", "alg": SYMMETRIC, "k": _encoded(secret.encode())})


def elliptic_key() -> dict[str, Any]:
    """A new pair on the curve P-256, with its name; `d` is the private half."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    public = numbers.public_numbers
    return _named(
        {
            "kty": "EC",
            "alg": ELLIPTIC,
            "crv": "P-256",
            "x": _coordinate(public.x),
            "y": _coordinate(public.y),
            "d": _coordinate(numbers.private_value),
        }
    )


def _pair(key: Key) -> ec.EllipticCurvePrivateKey:
    public = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1())
    return ec.EllipticCurvePrivateNumbers(_number(key["d"]), public).private_key()


def _signature(signed: str, key: Key) -> bytes:
    if key["alg"] == SYMMETRIC:
        return hmac.new(_decoded(key["k"]), signed.encode(), hashlib.sha256).digest()
    r, s = decode_dss_signature(_pair(key).sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)


def _is_signature(given: bytes, signed: str, key: Key) -> bool:
    if key["alg"] == SYMMETRIC:
        return hmac.compare_digest(_signature(signed, key), given)
    if len(given) != 2 * _COORDINATE_BYTES:
        return False
    r, s = (int.from_bytes(half) for half in (given[:_COORDINATE_BYTES], given[_COORDINATE_BYTES:]))
    public = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1()).public_key()
    try:
        public.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """A token whose header names the key."""
    header = {"alg": key["alg"], "typ": "JWT", "kid": key["kid"]}
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_encoded(_signature(signed, key))}"


def signing_keys(keys: Sequence[Key]) -> str:
    """Private keys as Auth takes them, a JSON array: the first one signs, the others only verify."""
    return json.dumps(
        [{**key, "key_ops": ["verify"] if number else ["sign", "verify"]} for number, key in enumerate(keys)]
    )


def key_set(keys: Sequence[Key]) -> str:
    """What tokens are verified with, as a JSON key set: no private half, but the shared secrets."""
    return json.dumps({"keys": [{**{f: v for f, v in key.items() if f != "d"}, "key_ops": ["verify"]} for key in keys]})


def verify(token: str, keys: str, now: datetime) -> dict[str, Any]:
    """The claims of a token that a key of the set signed, with that key's algorithm, and that has not expired."""
    try:
        header, claims, signature = token.split(".")
        named: dict[str, Any] = json.loads(_decoded(header))
        kid, algorithm = named["kid"], named["alg"]
        held: dict[str, Any] = json.loads(_decoded(claims))
        given = _decoded(signature)
    except (ValueError, KeyError):
        raise TokenError("it is no token with a key id") from None
    key = next((key for key in json.loads(keys)["keys"] if key["kid"] == kid), None)
    if key is None:
        raise TokenError("its key is not in the key set")
    if algorithm != key["alg"] or not _is_signature(given, f"{header}.{claims}", key):
        raise TokenError("its signature is wrong")
    if held["exp"] <= now.timestamp():
        raise TokenError("it has expired")
    return held
