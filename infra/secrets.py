"""Every secret of the platform, made once and kept in the stack's encrypted state.

A secret is a dynamic resource: raising its generation makes a new value and remembers the previous one, lowering it
again brings that one back, anything else leaves both alone. The date it was made and its rotation interval travel
beside it in clear, so that policy and audit can judge its age.
"""

import base64
import hashlib
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
from infra.tokens import ELLIPTIC, elliptic_key, key_set, sign, signing_keys, symmetric_key

QUARTERLY, ANNUALLY, NEVER = 90, 365, None
TEN_YEARS = 3650
A_MONTH = 30
# 22 characters of base64url.
OPAQUE_BYTES = 16


@dataclass(frozen=True)
class SecretSpec:
    """What a secret is: `hex`, an `ec` key pair, a `jwt` for an API role signed with jwt_secret, or an `opaque` key.

    An opaque key says nothing: `prefix` tells people what they hold, and the gateway alone knows what it stands for.
    A pair is a private JWK as JSON.

    Where the mechanism accepts the previous value beside the new one, `overlap_days` says how long clients get to
    change over.
    """

    name: str
    kind: str
    interval_days: int | None
    length: int = 0
    role: str = ""
    lifetime_days: int = 0
    prefix: str = ""
    overlap_days: int | None = None
    rotates: bool = True
    """False where a new value would make what the old one encrypted unreadable."""


# Intervals are those of the plan's table 5.2. A rotated service key stays valid until it expires, hence its short life.
SECRETS: tuple[SecretSpec, ...] = (
    SecretSpec("db_supabase_admin", "hex", QUARTERLY, length=48),
    SecretSpec("db_authenticator", "hex", QUARTERLY, length=48),
    SecretSpec("db_supabase_auth_admin", "hex", QUARTERLY, length=48),
    SecretSpec("db_supabase_storage_admin", "hex", QUARTERLY, length=48),
    SecretSpec("db_workbench", "hex", QUARTERLY, length=48),
    SecretSpec("db_studio", "hex", QUARTERLY, length=48),
    SecretSpec("db_odoo_sync", "hex", QUARTERLY, length=48),
    SecretSpec("db_n8n", "hex", QUARTERLY, length=48),
    SecretSpec("redis_gateway", "hex", QUARTERLY, length=48),
    SecretSpec("studio_password", "hex", QUARTERLY, length=48),
    SecretSpec("docs_password", "hex", QUARTERLY, length=48),
    SecretSpec("n8n_owner_password", "hex", QUARTERLY, length=48),
    # Odoo's administrator enters it there.
    SecretSpec("odoo_webhook_path", "hex", NEVER, length=48),
    SecretSpec("meta_crypto_key", "hex", QUARTERLY, length=64),
    SecretSpec("jwt_secret", "hex", ANNUALLY, length=64, overlap_days=A_MONTH),
    SecretSpec("jwt_signing_key", "ec", ANNUALLY, overlap_days=A_MONTH),
    SecretSpec("anon_key", "jwt", NEVER, role="anon", lifetime_days=TEN_YEARS, overlap_days=A_MONTH),
    SecretSpec("service_role_key", "jwt", QUARTERLY, role="service_role", lifetime_days=ANNUALLY, overlap_days=A_MONTH),
    SecretSpec("publishable_key", "opaque", NEVER, prefix="sb_publishable_", overlap_days=A_MONTH),
    SecretSpec("secret_key", "opaque", QUARTERLY, prefix="sb_secret_", overlap_days=A_MONTH),
    SecretSpec("backup_cipher", "hex", NEVER, length=64, rotates=False),
    SecretSpec("pgsodium_key", "hex", NEVER, length=64, rotates=False),
    SecretSpec("n8n_encryption_key", "hex", NEVER, length=64, rotates=False),
)
# A key of the cloud with two halves, which the cloud makes.
BACKUP_KEY = "backup_key"
BACKUP_KEY_INTERVAL_DAYS = QUARTERLY
ROTATABLE = (*(spec.name for spec in SECRETS if spec.rotates), BACKUP_KEY)
WHY_FIXED = "a new value could not read what the old one encrypted; docs/decisions/0501-keys-of-the-backups.md"
# They travel with a secret but only name it; the cloud decides their length.
IDENTIFIERS = ("backup_access_key",)
# Clients carry them: public by design, secret only by what they are made from.
PUBLIC = ("anon_key", "publishable_key")
# Their previous value is accepted beside the new one until the operator finishes the rotation.
OVERLAPPING = tuple(spec.name for spec in SECRETS if spec.overlap_days is not None)
# Of these the server gets the previous value under a name of its own; the others are in the sets of keys.
ACCEPTED = tuple(spec.name for spec in SECRETS if spec.kind in {"jwt", "opaque"})


def stamp(moment: datetime) -> str:
    """A moment as the platform's documents write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class ForgottenGenerationError(Exception):
    """A generation was asked for whose value is not kept any more."""


ForgottenGenerationError.__module__ = "builtins"  # Pulumi shows the class name: without its module it reads better.


def make(props: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A new value of the kind asked for, with the public facts about it."""
    facts: dict[str, Any] = {"made_at": stamp(now)}
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
            facts["expires_at"] = stamp(expires)
            return facts | {"value": sign(claims, symmetric_key(props["signing_secret"]))}
        case "ec":
            return facts | {"value": json.dumps(elliptic_key())}
        case "opaque":
            return facts | {"value": opaque_key(str(props["prefix"]), secrets.token_urlsafe(OPAQUE_BYTES))}
        case kind:
            raise ValueError(f"secret of unknown kind {kind!r}; allowed: hex, ssh, jwt, ec, opaque")


def opaque_key(prefix: str, random: str) -> str:
    """An API key with the check characters that Supabase's own self-hosted keys have; 22 random characters go in."""
    body = prefix + random
    digest = hashlib.sha256(f"supabase-self-hosted|{body}".encode()).digest()
    return f"{body}_{base64.urlsafe_b64encode(digest).decode()[:8]}"


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


# What makes a new value. Interval and overlap may change without touching the secret itself.
_IDENTITY = ("kind", "generation", "length", "role", "lifetime_days", "signing_secret", "prefix")
_FACTS = ("interval_days", "overlap_days", "finished")
_MADE = ("value", "public", "made_at", "expires_at")


def _identity(props: Mapping[str, Any]) -> list[Any]:
    return [props.get(key) for key in _IDENTITY]


def create(props: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The state of a secret that is made for the first time."""
    return {**props, **make(props, now), **_remembered({})}


def renew(olds: Mapping[str, Any], news: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The state of a secret after an update: kept, brought back or made anew."""
    previous = olds.get("previous")
    if _identity(news) == _identity(olds):
        made = {key: olds[key] for key in _MADE if key in olds}
        if news.get("finished", 0) >= news["generation"]:
            previous = {}
    elif previous and _identity(news) == _identity(previous):
        made = {key: previous[key] for key in _MADE if key in previous}
        previous = {}
    elif news["generation"] < olds["generation"]:
        raise ForgottenGenerationError(
            f"{news['name']}: the value of generation {news['generation']:.0f} is not kept any more; it is at"
            f" {olds['generation']:.0f}, and only a higher number makes a new one"
        )
    else:
        made = make(news, now)
        previous = {key: olds[key] for key in (*_IDENTITY, *_MADE) if key in olds}
    declared = {key: value for key, value in news.items() if value is not None}
    return {**declared, **made, **_remembered(previous or {})}


def _remembered(previous: Mapping[str, Any]) -> dict[str, Any]:
    # Empty, not null: in a preview Pulumi takes an output that the state lacks for one that is not known yet.
    return {"previous": dict(previous), "previous_made_at": previous.get("made_at", "")}


class SecretProvider(dynamic.ResourceProvider):
    """Makes a secret on create and keeps it until its generation is raised. All the thinking is in `renew`."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """An update where an input differs; never a replacement."""
        return dynamic.DiffResult(
            changes="previous" not in olds or any(olds.get(k) != news.get(k) for k in (*_IDENTITY, *_FACTS))
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the secret."""
        return dynamic.CreateResult(str(props["name"]), create(props, datetime.now(UTC)))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Make a new value where its identity changed, or bring the previous one back; else keep it."""
        return dynamic.UpdateResult(renew(olds, news, datetime.now(UTC)))


class Secret(dynamic.Resource, module="platform", name="Secret"):
    """One generated secret: `value` and `previous` are encrypted in the state, dates and `public` are not."""

    value: pulumi.Output[str]
    made_at: pulumi.Output[str]
    previous: pulumi.Output[dict[str, Any]]
    previous_made_at: pulumi.Output[str]

    def __init__(
        self, name: str, kind: str, *, opts: pulumi.ResourceOptions | None = None, **details: pulumi.Input[Any]
    ) -> None:
        outputs = {"value": None, "made_at": None, "previous": None, "previous_made_at": None}
        if kind == "ssh":
            outputs["public"] = None
        if kind == "jwt":
            outputs["expires_at"] = None
        details.setdefault("generation", 1)
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["value", "signing_secret", "previous"])
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
    public_keys: dict[str, pulumi.Output[str]]


def make_platform_secrets(
    rotations: Mapping[str, int],
    finished: Mapping[str, int],
    backup_key: do.SpacesKey,
    signing_algorithm: str,
    *,
    protect: bool,
) -> PlatformSecrets:
    """Declare every secret of the table; JWTs are signed with jwt_secret, so a new one renews them.

    `finished` names generations whose overlap is over: the value before them is forgotten. `signing_algorithm` says
    which key signs what Auth issues. Secrets that cannot be rotated are the only way to read the backups: they are
    protected like the bucket.
    """
    made: dict[str, Secret] = {}
    for spec in SECRETS:
        details: dict[str, Any] = {
            "generation": rotations.get(spec.name, 1),
            "finished": finished.get(spec.name, 0),
            "interval_days": spec.interval_days,
            "overlap_days": spec.overlap_days,
        }
        opts = pulumi.ResourceOptions(protect=protect and not spec.rotates)
        if spec.kind == "hex":
            details["length"] = spec.length
        elif spec.kind == "opaque":
            details["prefix"] = spec.prefix
        elif spec.kind == "jwt":
            details |= {
                "role": spec.role,
                "lifetime_days": spec.lifetime_days,
                "signing_secret": made["jwt_secret"].value,
            }
        made[spec.name] = Secret(f"secret-{spec.name}", spec.kind, opts=opts, **details)

    halves = {"backup_access_key": backup_key.access_key, "backup_secret_key": backup_key.secret_key}
    values = {name: pulumi.Output.all(secret.value, secret.previous) for name, secret in made.items()}
    dates = {name: pulumi.Output.all(secret.made_at, secret.previous_made_at) for name, secret in made.items()}
    return PlatformSecrets(
        values=pulumi.Output.secret(
            pulumi.Output.all(values, halves).apply(lambda both: server_values(both[0], both[1], signing_algorithm))
        ),
        facts=pulumi.Output.all(dates, backup_key.created_at).apply(
            lambda both: public_facts(both[0], dict.fromkeys(halves, both[1]))
        ),
        public_keys={name: pulumi.Output.unsecret(made[name].value) for name in PUBLIC},
    )


def server_values(
    made: Mapping[str, tuple[str, Mapping[str, Any]]], halves: Mapping[str, str], signing_algorithm: str
) -> dict[str, str]:
    """What the server gets: every value, the keys of tokens, tokens that are still accepted.

    `made` has each secret's value and, if it was rotated, what it was before. Auth signs with `jwt_signing_keys`,
    everybody else verifies with `jwks`, which is the same whatever `signing_algorithm` says: whoever verifies knows
    both kinds of key before Auth signs with the other one, and after.
    """
    values = {name: value for name, (value, _) in made.items()}
    before = {name: made[name][1]["value"] for name in OVERLAPPING if made[name][1]}

    def present_and_before(name: str) -> list[str]:
        return [values[name], *([before[name]] if name in before else [])]

    shared = [symmetric_key(secret) for secret in present_and_before("jwt_secret")]
    pairs = [json.loads(pair) for pair in present_and_before("jwt_signing_key")]
    signing = [*pairs, *shared] if signing_algorithm == ELLIPTIC else [*shared, *pairs]
    sets = {"jwks": key_set([*shared, *pairs]), "jwt_signing_keys": signing_keys(signing)}
    tokens = {f"{name}_previous": before[name] for name in before if name in ACCEPTED}
    return {**values, **halves, **sets, **tokens}


def public_facts(dates: Mapping[str, tuple[str, str]], halves: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What anybody may know of each secret: dates of events, never of this run.

    `dates` says when each secret was made and when the one before it was, if there was one; `halves` when the cloud's
    key was.
    """
    facts = {spec.name: _facts_of(spec, *dates[spec.name]) for spec in SECRETS}
    half = SecretSpec(BACKUP_KEY, "cloud", BACKUP_KEY_INTERVAL_DAYS)
    return facts | {name: _facts_of(half, made_at, "") for name, made_at in halves.items()}


def _facts_of(spec: SecretSpec, made_at: str, previous_made_at: str) -> dict[str, Any]:
    overlaps = spec.overlap_days is not None and previous_made_at
    return {
        "made_at": made_at,
        "interval_days": spec.interval_days,
        "due_at": _later(made_at, spec.interval_days),
        "previous": {"made_at": previous_made_at, "finish_by": _later(made_at, spec.overlap_days)}
        if overlaps
        else None,
    }


def _later(made_at: str, days: int | None) -> str | None:
    return stamp(datetime.fromisoformat(made_at) + timedelta(days=days)) if days is not None else None
