"""Which secrets are no secrets: missing, empty, short, or published somewhere."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence


def refused_secrets(
    secrets: Mapping[str, str],
    names: Sequence[str],
    known_defaults: Sequence[str],
    known_issuers: Sequence[str],
    minimum_length: int,
) -> list[str]:
    """One line for each secret among `names` that may not be used; never its value."""
    refused = []
    for name in names:
        value = str(secrets.get(name) or "")
        if not value.strip():
            refused.append(f"{name} is missing or empty")
        elif value in known_defaults or _issuer(value) in known_issuers:
            refused.append(f"{name} is a published default")
        elif len(value) < minimum_length:
            refused.append(f"{name} has {len(value)} characters, at least {minimum_length} are needed")
    return refused


def _issuer(value: str) -> str | None:
    """The issuer of a JSON web token; nothing for anything else."""
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return str(claims.get("iss")) if isinstance(claims, dict) else None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"refused_secrets": refused_secrets}
