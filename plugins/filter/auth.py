"""What Auth (GoTrue) is told about identity providers, and which keys it could not sign with."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

# One of `dict2items`: the provider's name, its client, the name of its secret, and perhaps its url.
Item = Mapping[str, Any]

SHARED = "HS256"


def auth_provider_settings(item: Item, url: str) -> dict[str, str]:
    """What may be shown of an identity provider; `url` is Auth's public address, below which people come back."""
    prefix, provider = _prefix(item), item["value"]
    return {
        f"{prefix}_ENABLED": "true",
        f"{prefix}_CLIENT_ID": str(provider["client_id"]),
        # Without it the start succeeds and each sign-in fails.
        f"{prefix}_REDIRECT_URI": f"{url}/callback",
        # One that a company runs itself, such as GitHub Enterprise.
        **({f"{prefix}_URL": str(provider["url"])} if provider.get("url") else {}),
    }


def auth_provider_secret(item: Item, secrets: Mapping[str, str]) -> dict[str, str]:
    """What may not be shown of it."""
    return {f"{_prefix(item)}_SECRET": secrets[item["value"]["secret"]]}


def _prefix(item: Item) -> str:
    return f"GOTRUE_EXTERNAL_{str(item['key']).upper()}"


def refused_signing_keys(text: str, secret: str) -> list[str]:
    """Why Auth would not start with these keys, or start and refuse tokens that hold; never a key.

    `secret` is the shared one: tokens that it signed must stay good whichever key signs.
    """
    try:
        keys = json.loads(text)
    except ValueError:
        return ["it is no JSON"]
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        return ["it is no list of keys"]
    refused = []
    signing = [key for key in keys if "sign" in key.get("key_ops", ())]
    if len(signing) != 1:
        refused.append(f"{len(signing)} of its keys sign, and exactly one must")
    names = [key.get("kid") for key in keys]
    if not all(names) or len(set(names)) < len(names):
        refused.append("each key needs a name (kid) of its own: of two with one name only the last is known")
    if not all(key.get("alg") for key in keys):
        refused.append("each key needs its algorithm (alg): others are refused")
    shared = base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    if not any(key.get("alg") == SHARED and key.get("k") == shared for key in keys):
        refused.append("the shared secret is not among them, so that the API keys would not be accepted")
    return refused


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "auth_provider_secret": auth_provider_secret,
            "auth_provider_settings": auth_provider_settings,
            "refused_signing_keys": refused_signing_keys,
        }
