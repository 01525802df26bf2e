"""JSON Web Tokens signed with HMAC-SHA256, and the key set (RFC 7517) that services verify them with."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


class TokenError(Exception):
    """A token does not verify; the message says why, never what it holds."""


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str, secret: bytes) -> bytes:
    return hmac.new(secret, signed.encode(), hashlib.sha256).digest()


def key_id(secret: str) -> str:
    """The thumbprint of a key (RFC 7638): the same key has the same name everywhere, and it gives nothing away."""
    canonical = json.dumps({"k": _encoded(secret.encode()), "kty": "oct"}, separators=(",", ":"))
    return _encoded(hashlib.sha256(canonical.encode()).digest())


def sign(claims: Mapping[str, Any], secret: str, kid: str | None = None) -> str:
    """A token; with `kid` its header names the key."""
    header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_encoded(_signature(signed, secret.encode()))}"


def key_set(secrets: Sequence[str]) -> str:
    """The key set as JSON text: the first key signs, the others only verify. It holds the secrets."""
    keys = [
        {
            "kty": "oct",
            "kid": key_id(secret),
            "alg": "HS256",
            "key_ops": ["verify"] if number else ["sign", "verify"],
            "k": _encoded(secret.encode()),
        }
        for number, secret in enumerate(secrets)
    ]
    return json.dumps({"keys": keys})


def verify(token: str, keys: str, now: datetime) -> dict[str, Any]:
    """The claims of a token that a key of the set signed and that has not expired."""
    try:
        header, claims, signature = token.split(".")
        kid = json.loads(_decoded(header))["kid"]
        held: dict[str, Any] = json.loads(_decoded(claims))
        given = _decoded(signature)
    except (ValueError, KeyError):
        raise TokenError("it is no token with a key id") from None
    key = next((key for key in json.loads(keys)["keys"] if key["kid"] == kid), None)
    if key is None:
        raise TokenError("its key is not in the key set")
    if not hmac.compare_digest(_signature(f"{header}.{claims}", _decoded(key["k"])), given):
        raise TokenError("its signature is wrong")
    if held["exp"] <= now.timestamp():
        raise TokenError("it has expired")
    return held
