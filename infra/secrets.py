"""Every secret of the platform, made once and kept in the stack's encrypted state.

A secret is a dynamic resource: raising its generation makes a new value, anything else leaves it alone. The date it
was made and its rotation interval travel beside it in clear, so that policy and audit can judge its age.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pulumi_digitalocean as do
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pulumi import dynamic

from infra.components import known_defaults

QUARTERLY, ANNUALLY, NEVER = 90, 365, None
TEN_YEARS = 3650


@dataclass(frozen=True)
class SecretSpec:
    """What a secret is: `hex` of some length, or a `jwt` for an API role signed with jwt_secret."""

    name: str
    kind: str
    interval_days: int | None
    length: int = 0
    role: str = ""
    lifetime_days: int = 0
    rotates: bool = True
    """False where a new value would make what the old one encrypted unreadable."""


# Intervals are those of the plan's table 5.2. A rotated service key stays valid until it expires, hence its short life.
SECRETS: tuple[SecretSpec, ...] = (
    SecretSpec("db_supabase_admin", "hex", QUARTERLY, length=48),
    SecretSpec("db_authenticator", "hex", QUARTERLY, length=48),
    SecretSpec("db_supabase_auth_admin", "hex", QUARTERLY, length=48),
    SecretSpec("db_supabase_storage_admin", "hex", QUARTERLY, length=48),
    SecretSpec("db_pgbouncer", "hex", QUARTERLY, length=48),
    SecretSpec("db_workbench", "hex", QUARTERLY, length=48),
    SecretSpec("jwt_secret", "hex", ANNUALLY, length=64),
    SecretSpec("anon_key", "jwt", NEVER, role="anon", lifetime_days=TEN_YEARS),
    SecretSpec("service_role_key", "jwt", QUARTERLY, role="service_role", lifetime_days=ANNUALLY),
    SecretSpec("backup_cipher", "hex", NEVER, length=64, rotates=False),
    SecretSpec("pgsodium_key", "hex", NEVER, length=64, rotates=False),
)
# A key of the cloud with two halves, which the cloud makes.
BACKUP_KEY = "backup_key"
BACKUP_KEY_INTERVAL_DAYS = QUARTERLY
ROTATABLE = (*(spec.name for spec in SECRETS if spec.rotates), BACKUP_KEY)
# They travel with a secret but only name it; the cloud decides their length.
IDENTIFIERS = ("backup_access_key",)


def sign_jwt(claims: Mapping[str, Any], secret: str) -> str:
    """A JSON Web Token signed with HMAC-SHA256."""

    def part(value: Mapping[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


def make(props: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A new value of the kind asked for, with the public facts about it."""
    facts: dict[str, Any] = {"made_at": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    match props["kind"]:
        case "hex":
            return facts | {"value": secrets.token_hex(int(props["length"]) // 2)}
        case "ssh":
            key = Ed25519PrivateKey.generate()
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            return facts | {"value": private.decode(), "public": public.decode()}
        case "jwt":
            expires = now + timedelta(days=int(props["lifetime_days"]))
            claims = {
                "iss": "supabase",
                "role": props["role"],
                "iat": int(now.timestamp()),
                "exp": int(expires.timestamp()),
            }
            facts["expires_at"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
            return facts | {"value": sign_jwt(claims, props["signing_secret"])}
        case kind:
            raise ValueError(f"secret of unknown kind {kind!r}; allowed: hex, ssh, jwt")


def weak_secrets(values: Mapping[str, str]) -> list[str]:
    """One line per secret that must not be used; names only, never values."""
    shortest = known_defaults()["secret_minimum_length"]
    problems = []
    for name, value in sorted(values.items()):
        if not value:
            problems.append(f"{name} is empty")
        elif is_published(value):
            problems.append(f"{name} is a value published in a public example")
        elif len(value) < shortest and name not in IDENTIFIERS:
            problems.append(f"{name} is shorter than {shortest} characters")
    return problems


def is_published(value: str) -> bool:
    """Whether a value stands in a public example, or is a key signed by a published secret."""
    known = known_defaults()
    return value in known["known_default_secrets"] or _issuer(value) in known["known_default_issuers"]


def _issuer(token: str) -> str | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims.get("iss") if isinstance(claims, dict) else None


# What makes a new value. An interval may change without touching the secret itself.
_IDENTITY = ("kind", "generation", "length", "role", "lifetime_days", "signing_secret")


class SecretProvider(dynamic.ResourceProvider):
    """Makes a secret on create and keeps it until its generation is raised."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """An update where an input differs; never a replacement."""
        return dynamic.DiffResult(changes=any(olds.get(k) != news.get(k) for k in (*_IDENTITY, "interval_days")))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the secret."""
        return dynamic.CreateResult(str(props["name"]), {**props, **make(props, datetime.now(UTC))})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Make a new value where its identity changed, else keep the old one."""
        if any(olds.get(k) != news.get(k) for k in _IDENTITY):
            return dynamic.UpdateResult({**news, **make(news, datetime.now(UTC))})
        return dynamic.UpdateResult({**olds, **news})


class Secret(dynamic.Resource, module="platform", name="Secret"):
    """One generated secret: `value` is encrypted in the state, `made_at` and `public` are not."""

    value: pulumi.Output[str]
    made_at: pulumi.Output[str]

    def __init__(
        self, name: str, kind: str, *, opts: pulumi.ResourceOptions | None = None, **details: pulumi.Input[Any]
    ) -> None:
        outputs = {"value": None, "made_at": None}
        if kind == "ssh":
            outputs["public"] = None
        if kind == "jwt":
            outputs["expires_at"] = None
        details.setdefault("generation", 1)
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["value", "signing_secret"])
        super().__init__(
            SecretProvider(),
            name,
            {"name": name, "kind": kind, **outputs, **details},
            pulumi.ResourceOptions.merge(hidden, opts),
        )


class SshKeyPair(Secret, module="platform", name="SshKeyPair"):
    """An ed25519 key pair; `value` is the private half."""

    public: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, "ssh", opts=opts)


@dataclass(frozen=True)
class PlatformSecrets:
    """All secrets of the server with their public facts."""

    values: pulumi.Output[dict[str, str]]
    facts: pulumi.Output[dict[str, dict[str, Any]]]
    anon_key: pulumi.Output[str]


def make_platform_secrets(rotations: Mapping[str, int], backup_key: do.SpacesKey, *, protect: bool) -> PlatformSecrets:
    """Declare every secret of the table; JWTs are signed with jwt_secret, so a new one renews them.

    Those that cannot be rotated are the only way to read the backups: they are protected like the bucket.
    """
    made: dict[str, Secret] = {}
    for spec in SECRETS:
        details: dict[str, Any] = {"generation": rotations.get(spec.name, 1)}
        opts = pulumi.ResourceOptions(protect=protect and not spec.rotates)
        if spec.interval_days is not None:
            details["interval_days"] = spec.interval_days
        if spec.kind == "hex":
            details["length"] = spec.length
        else:
            details |= {
                "role": spec.role,
                "lifetime_days": spec.lifetime_days,
                "signing_secret": made["jwt_secret"].value,
            }
        made[spec.name] = Secret(f"secret-{spec.name}", spec.kind, opts=opts, **details)

    def facts(dates: dict[str, str]) -> dict[str, dict[str, Any]]:
        return {name: {"made_at": made_at, "interval_days": intervals[name]} for name, made_at in dates.items()}

    halves = {"backup_access_key": backup_key.access_key, "backup_secret_key": backup_key.secret_key}
    intervals = {spec.name: spec.interval_days for spec in SECRETS} | dict.fromkeys(halves, BACKUP_KEY_INTERVAL_DAYS)
    values = {name: secret.value for name, secret in made.items()} | halves
    dates = {name: secret.made_at for name, secret in made.items()} | dict.fromkeys(halves, backup_key.created_at)
    return PlatformSecrets(
        values=pulumi.Output.secret(pulumi.Output.all(**values)),
        facts=pulumi.Output.all(**dates).apply(facts),
        # The anon key is public by design; only its derivation from the JWT secret marks it.
        anon_key=pulumi.Output.unsecret(made["anon_key"].value),
    )
