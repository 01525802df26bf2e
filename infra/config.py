"""Stack configuration as one validated object.

All problems are reported together, each with the key, its value and what is allowed, before any resource is touched.
"""

import ipaddress
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pulumi
import yaml
from pulumi.runtime.config import CONFIG, is_config_secret

from infra import PROJECT, ROOT
from infra.components import versions
from infra.phases import PHASES, Phase
from infra.secrets import OVERLAPPING, ROTATABLE, SECRETS, WHY_FIXED, is_published
from infra.tokens import ELLIPTIC, SYMMETRIC

# Regions that offer droplets, volumes and Spaces alike; the platform needs all three.
REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
DNS_PROVIDERS = ("digitalocean", "external")
ENVIRONMENTS = ("production", "staging")
SIGNING_ALGORITHMS = (SYMMETRIC, ELLIPTIC)
# Who people may sign in with, besides with their mail address.
IDENTITY_PROVIDERS = ("google", "github")
# Secrets that only the operator can know: others made them.
GIVEN_SECRETS = ("smtp_password", *(f"auth_{provider}_client_secret" for provider in IDENTITY_PROVIDERS))
LARGEST_VOLUME_GB = 16384
LARGEST_PORT = 65535
LONGEST_RETENTION_WEEKS = 52
# Lists the checksums in a folder of archives (plugins/filter/images.py reads it for the roles).
SUMS = "SHA256SUMS"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+[a-z]{{2,63}}")
_PLATFORM = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_HTTPS_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::\d{1,5})?/[!-~]*")
# What a host or an identifier of others may be, and what fits into a line of an environment file.
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_WORD = re.compile(r"[!-~]*")
_LINE = re.compile(r"[ -~]+")
# Between stars only; the last two labels of a name are never a star, since anybody can have a name below those.
_REDIRECT = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[A-Za-z0-9.*-]*(?::\d{1,5})?)(?:/[A-Za-z0-9/._~*=&%-]*)?"
)
_RUN_BY_BROWSERS = ("javascript", "data", "vbscript", "file", "blob")
_OWN_MACHINE = ("localhost", "127.0.0.1")
_EMAIL = re.compile(r"[^@\s]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,63}")


class ConfigError(pulumi.RunError):
    """The stack configuration cannot be used; the message lists every problem with its cure."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        super().__init__(f"{count} in the stack configuration:\n" + "\n".join(f"  {p}" for p in problems))


# Pulumi.yaml names every key with its type, meaning and default.
KEYS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]


@dataclass(frozen=True)
class Mail:
    """The server that mails leave through; without a host none do."""

    host: str
    port: int
    user: str
    sender: str


@dataclass(frozen=True)
class Accounts:
    """How people get an account and sign in."""

    signups: bool
    site_url: str
    redirect_urls: tuple[str, ...]
    signing_algorithm: str
    client_ids: Mapping[str, str]
    """Of each identity provider that is in use, by its name."""


@dataclass(frozen=True)
class StackConfig:
    """What the operator decided about this stack."""

    phase: Phase
    region: str
    domain: str
    dns_provider: str
    dns_zone: str
    environment: str
    platform: str
    ssh_allowed_cidrs: tuple[str, ...]
    studio_allowed_cidrs: tuple[str, ...]
    volume_size: int
    backup_retention_weeks: int
    images_archive: str
    alert_email: str
    acme_directory: str
    mail: Mail
    accounts: Accounts
    converge: bool
    protect: bool
    rotations: Mapping[str, int]
    finished_rotations: Mapping[str, int]
    source_extensions: tuple[str, ...]
    given_secrets: Mapping[str, str] = field(repr=False)
    """Those of GIVEN_SECRETS that are set, by name."""

    @property
    def production(self) -> bool:
        """Whether the strict rules apply."""
        return self.environment == "production"


class _Reader:
    """Reads keys one by one and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.problems: list[str] = []

    def refuse(self, key: str, value: object, allowed: str) -> None:
        """Record that a key's value cannot be used."""
        shown = "is not set" if value in ("", [], None) else f"= {json.dumps(value)}"
        self.problems.append(f"{PROJECT}:{key} {shown}: {allowed}")

    def raw(self, key: str) -> str | None:
        value = self.values.get(f"{PROJECT}:{key}")
        return value if value is None else str(value)

    def text(self, key: str, valid: Callable[[str], bool], allowed: str) -> str:
        value = (self.raw(key) or KEYS[key]["default"]).strip()
        if not valid(value):
            self.refuse(key, value, allowed)
        return str(value)

    def integer(self, key: str, low: int, high: int, allowed: str) -> int:
        raw = self.raw(key)
        try:
            value = int(KEYS[key]["default"] if raw is None else raw)
        except ValueError:
            self.refuse(key, raw, f"not a whole number; {allowed}")
            return int(KEYS[key]["default"])
        if not low <= value <= high:
            self.refuse(key, value, allowed)
            return int(KEYS[key]["default"])
        return value

    def boolean(self, key: str) -> bool:
        raw = self.raw(key)
        if raw is None:
            return bool(KEYS[key]["default"])
        if raw.lower() not in ("true", "false"):
            self.refuse(key, raw, "allowed: true, false")
        return raw.lower() == "true"

    def structure(self, key: str, kind: type) -> Any:
        raw = self.raw(key)
        if raw is None:
            return KEYS[key]["default"]
        try:
            value = json.loads(raw)
        except json.JSONDecodeError:
            value = raw
        if not isinstance(value, kind):
            self.refuse(key, value, f"not {'a list' if kind is list else 'a map'}; {_STRUCTURE_HELP[key]}")
            return KEYS[key]["default"]
        return value


_STRUCTURE_HELP = {
    "ssh_allowed_cidrs": "run: pulumi config set --path 'ssh_allowed_cidrs[0]' 203.0.113.7/32",
    "studio_allowed_cidrs": "run: pulumi config set --path 'studio_allowed_cidrs[0]' 203.0.113.7/32",
    "rotations": "run: make rotate SECRET=db_workbench",
    "finished_rotations": "run: make rotate SECRET=jwt FINISH=1",
    "source_extensions": "run: pulumi config set --path 'source_extensions[0]' pgsodium",
    "auth_redirect_urls": "run: pulumi config set --path 'auth_redirect_urls[0]' 'https://app.example.com/**'",
}


def parse(values: Mapping[str, str]) -> StackConfig:
    """Validate the namespaced configuration values of a stack."""
    read = _Reader(values)
    for full in sorted(values):
        namespace, _, key = full.partition(":")
        if namespace == PROJECT and key not in KEYS:
            _refuse_unknown(read, key)

    phase = PHASES[read.integer("phase", 1, 4, f"allowed: {', '.join(map(str, PHASES))}")]
    environment = read.text("environment", ENVIRONMENTS.__contains__, f"allowed: {', '.join(ENVIRONMENTS)}")
    production = environment != "staging"
    smallest = phase.storage_gb if production else 1
    ssh_allowed_cidrs = _cidrs(read, "ssh_allowed_cidrs", "SSH", production=production, needed=True)
    domain = read.text("domain", _is_domain, "allowed: a lower-case domain name such as supabase.example.com")
    config = StackConfig(
        phase=phase,
        region=read.text("region", REGIONS.__contains__, f"allowed: {', '.join(REGIONS)}"),
        domain=domain,
        dns_provider=read.text("dns_provider", DNS_PROVIDERS.__contains__, f"allowed: {', '.join(DNS_PROVIDERS)}"),
        dns_zone=read.text(
            "dns_zone",
            lambda zone: zone == "" or (_is_domain(zone) and domain.endswith(f".{zone}")),
            f"allowed: a zone above {domain or 'the domain'}, or empty",
        ),
        environment=environment,
        platform=read.text(
            "platform",
            lambda name: bool(_PLATFORM.fullmatch(name)),
            "allowed: 1 to 32 lower-case letters, digits and dashes, starting with a letter",
        ),
        ssh_allowed_cidrs=ssh_allowed_cidrs,
        # Who may administer the server may use its dashboard, unless somebody says otherwise.
        studio_allowed_cidrs=_cidrs(read, "studio_allowed_cidrs", "Studio", production=production) or ssh_allowed_cidrs,
        volume_size=read.integer(
            "volume_size",
            smallest,
            LARGEST_VOLUME_GB,
            f"allowed: {smallest} to {LARGEST_VOLUME_GB} GB in {environment} at phase {phase.number}",
        ),
        backup_retention_weeks=read.integer(
            "backup_retention_weeks",
            1,
            LONGEST_RETENTION_WEEKS,
            f"allowed: 1 to {LONGEST_RETENTION_WEEKS} weeks",
        ),
        images_archive=read.text(
            "images_archive",
            lambda folder: folder == "" or (ROOT / folder / SUMS).is_file(),
            f"allowed: a folder with archives of the images and their {SUMS} (docs/operations.md), or empty",
        ),
        alert_email=read.text(
            "alert_email",
            lambda mail: bool(_EMAIL.fullmatch(mail)),
            "allowed: a mail address; run: pulumi config set alert_email ops@example.com",
        ),
        acme_directory=read.text(
            "acme_directory",
            lambda url: bool(_HTTPS_URL.fullmatch(url)),
            "allowed: an https address; for rehearsals https://acme-staging-v02.api.letsencrypt.org/directory",
        ),
        mail=_mail(read),
        accounts=_accounts(read, domain, production),
        converge=read.boolean("converge"),
        protect=read.boolean("protect"),
        rotations=_generations(read, "rotations", ROTATABLE),
        finished_rotations=_generations(read, "finished_rotations", OVERLAPPING),
        source_extensions=_source_extensions(read),
        given_secrets=_given_secrets(read),
    )
    _refuse_halves(read, config)
    if production and not config.protect:
        read.refuse(
            "protect", config.protect, "allowed in production: true; docs/operations.md says how to remove a platform"
        )
    if config.dns_zone and config.dns_provider == "external":
        read.refuse("dns_zone", config.dns_zone, "allowed only with dns_provider digitalocean")
    if read.problems:
        raise ConfigError(read.problems)
    return config


def _is_domain(name: str) -> bool:
    return bool(_DOMAIN.fullmatch(name)) and len(name) <= 253


def _refuse_unknown(read: _Reader, key: str) -> None:
    # The value is not shown: an unknown key may hold a secret that was set in the wrong place.
    if key in {spec.name for spec in SECRETS}:
        read.problems.append(f"{PROJECT}:{key}: the platform makes this secret itself; run: pulumi config rm {key}")
    else:
        read.problems.append(f"{PROJECT}:{key}: unknown key; allowed: {', '.join(KEYS)}; run: pulumi config rm {key}")


def _cidrs(read: _Reader, key: str, service: str, *, production: bool, needed: bool = False) -> tuple[str, ...]:
    values = read.structure(key, list)
    if needed and not values:
        read.refuse(key, [], f"name the networks that may reach {service}; {_STRUCTURE_HELP[key]}")
    networks = []
    for value in values:
        try:
            network = ipaddress.ip_network(value) if "/" in str(value) else None
        except ValueError as error:
            read.refuse(key, value, f"{error}; allowed: networks such as 203.0.113.0/24 or 203.0.113.7/32")
            continue
        if network is None:
            read.refuse(key, value, "the prefix length is missing; allowed: networks such as 203.0.113.7/32")
        elif production and network.prefixlen == 0:
            read.refuse(
                key, value, f"{service} must not be open to the whole internet in production; name your networks"
            )
        else:
            networks.append(str(network))
    return tuple(networks)


def _generations(read: _Reader, key: str, allowed: Collection[str]) -> dict[str, int]:
    fixed = {spec.name for spec in SECRETS if not spec.rotates}
    generations = {}
    for name, generation in read.structure(key, dict).items():
        if name in fixed:
            read.refuse(f"{key}.{name}", generation, WHY_FIXED)
        elif name not in allowed:
            read.refuse(f"{key}.{name}", generation, f"unknown secret; allowed: {', '.join(sorted(allowed))}")
        elif not isinstance(generation, int) or isinstance(generation, bool) or generation < 1:
            read.refuse(f"{key}.{name}", generation, "allowed: a whole number from 1")
        else:
            generations[name] = generation
    return generations


def _source_extensions(read: _Reader) -> tuple[str, ...]:
    key = "source_extensions"
    allowed = sorted(name for name, pin in versions().items() if "repository" in pin)
    names = read.structure(key, list)
    for name in names:
        if name not in allowed:
            read.refuse(key, name, f"allowed: {', '.join(allowed)}")
    return tuple(sorted(set(map(str, names))))


def _mail(read: _Reader) -> Mail:
    return Mail(
        host=read.text(
            "smtp_host", lambda host: host == "" or bool(_HOST.fullmatch(host)), "allowed: a host, or empty"
        ),
        port=read.integer("smtp_port", 1, LARGEST_PORT, f"allowed: 1 to {LARGEST_PORT}, such as 587, 465 or 2525"),
        user=read.text("smtp_user", lambda user: bool(_WORD.fullmatch(user)), "allowed: letters, digits and signs"),
        sender=read.text(
            "smtp_sender",
            lambda mail: mail == "" or bool(_EMAIL.fullmatch(mail)),
            "allowed: a mail address such as no-reply@example.com",
        ),
    )


def _accounts(read: _Reader, domain: str, production: bool) -> Accounts:
    site = read.text(
        "auth_site_url",
        lambda url: url == "" or _is_site(url, production),
        f"allowed: an address such as https://app.example.com{'' if production else ' or http://localhost:3000'}",
    )
    identifiers = {
        provider: read.text(
            f"auth_{provider}_client_id",
            lambda client: bool(_WORD.fullmatch(client)),
            f"allowed: the client id that {provider} gave you",
        )
        for provider in IDENTITY_PROVIDERS
    }
    return Accounts(
        signups=read.boolean("auth_signups"),
        site_url=site or f"https://{domain}",
        redirect_urls=_redirect_urls(read, production),
        signing_algorithm=read.text(
            "auth_signing_algorithm", SIGNING_ALGORITHMS.__contains__, f"allowed: {', '.join(SIGNING_ALGORITHMS)}"
        ),
        client_ids={provider: client for provider, client in identifiers.items() if client},
    )


def _is_site(url: str, production: bool) -> bool:
    """Whether an address is that of a front end: https, and elsewhere than in production plain http too."""
    match = _REDIRECT.fullmatch(url)
    return bool(match and match["host"] and "*" not in url and match["scheme"] in _web(production))


def _web(production: bool) -> tuple[str, ...]:
    return ("https",) if production else ("https", "http")


def _redirect_urls(read: _Reader, production: bool) -> tuple[str, ...]:
    key = "auth_redirect_urls"
    urls = read.structure(key, list)
    for url in urls:
        match = _REDIRECT.fullmatch(str(url))
        if match is None or match["scheme"] in _RUN_BY_BROWSERS:
            read.refuse(key, url, "allowed: addresses such as https://app.example.com/** or myapp://callback")
        elif match["scheme"] in ("http", "https") and not _is_somebody_s(match["host"]):
            read.refuse(key, url, "name the host: a star may stand for labels before the last two only")
        elif match["scheme"] == "http" and production and urlsplit(str(url)).hostname not in _OWN_MACHINE:
            read.refuse(key, url, f"plain http is allowed in production for {' and '.join(_OWN_MACHINE)} only")
    return tuple(map(str, urls))


def _is_somebody_s(host: str) -> bool:
    """Whether a pattern for hosts stands for those of one owner."""
    name = host.partition(":")[0]
    labels = name.split(".")
    return all(labels) and not any("*" in label for label in labels[-2:]) and "**" not in name


def _given_secrets(read: _Reader) -> dict[str, str]:
    given = {}
    for key in GIVEN_SECRETS:
        value = read.raw(key)
        if not value:
            continue
        # The value is never shown.
        if not _LINE.fullmatch(value):
            read.problems.append(f"{PROJECT}:{key}: allowed: one line of letters, digits, blanks and signs")
        elif is_published(value):
            read.problems.append(f"{PROJECT}:{key}: it is a value published in a public example; make a new one")
        else:
            given[key] = value
    return given


def _refuse_halves(read: _Reader, config: StackConfig) -> None:
    """Refuse settings that mean nothing without one another. A secret's value is never shown."""
    mail, accounts, given = config.mail, config.accounts, config.given_secrets
    if not mail.host:
        for key, value in (("smtp_user", mail.user), ("smtp_sender", mail.sender)):
            if value:
                read.refuse(key, value, "means nothing without smtp_host")
        if "smtp_password" in given:
            read.problems.append(f"{PROJECT}:smtp_password: means nothing without smtp_host")
    elif not mail.sender:
        read.refuse("smtp_sender", "", "name the address that mails come from; run: pulumi config set smtp_sender ...")
    if mail.host and mail.user and "smtp_password" not in given:
        read.refuse("smtp_password", "", f"smtp_user needs one; {_HIDE.format('smtp_password')}")
    if mail.host and not mail.user and "smtp_password" in given:
        read.refuse("smtp_user", "", "smtp_password needs one; run: pulumi config set smtp_user ...")
    if accounts.signups and not mail.host:
        read.refuse("auth_signups", accounts.signups, "allowed with smtp_host only: a mail confirms each address")
    for provider in IDENTITY_PROVIDERS:
        client, secret = f"auth_{provider}_client_id", f"auth_{provider}_client_secret"
        if provider in accounts.client_ids and secret not in given:
            read.refuse(secret, "", f"{client} needs one; {_HIDE.format(secret)}")
        if secret in given and provider not in accounts.client_ids:
            read.refuse(client, "", f"{secret} needs one; run: pulumi config set {client} ...")


_HIDE = "run: pulumi config set --secret {}"


def secrets_in_clear(values: Mapping[str, str], is_secret: Callable[[str], bool]) -> list[str]:
    """One line per secret that stands in the stack's file as everybody can read it."""
    return [
        f"{PROJECT}:{key}: it is in clear in the stack's file, so it is one no more: make a new one, then"
        f" {_HIDE.format(key)}"
        for key in GIVEN_SECRETS
        if values.get(f"{PROJECT}:{key}") and not is_secret(f"{PROJECT}:{key}")
    ]


# What the cloud providers need: (meaning, provider configuration key, environment variables that serve instead).
_CREDENTIALS = (
    ("DigitalOcean API token", "token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")),
    ("Spaces access key", "spacesAccessId", ("SPACES_ACCESS_KEY_ID",)),
    ("Spaces secret key", "spacesSecretKey", ("SPACES_SECRET_ACCESS_KEY",)),
)


def missing_credentials(values: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """One line per credential that is absent, with the command that supplies it."""
    return [
        f"no {meaning}: run: export {names[0]}=...   or: pulumi config set --secret digitalocean:{key}"
        for meaning, key, names in _CREDENTIALS
        if not values.get(f"digitalocean:{key}") and not any(environment.get(name) for name in names)
    ]


def missing_tools() -> list[str]:
    """One line per program that reaching the server needs and this machine lacks."""
    return [
        f"no {name} on this machine; install OpenSSH's client: run: apt-get install openssh-client"
        for name in ("ssh", "ssh-add", "ssh-agent")
        if shutil.which(name) is None
    ]


def load() -> StackConfig:
    """The configuration of the running stack, with the credentials and tools it needs."""
    values: dict[str, str] = dict(CONFIG.get())
    problems = missing_credentials(values, os.environ) + secrets_in_clear(values, is_config_secret)
    try:
        config = parse(values)
        problems += missing_tools() if config.converge else []
    except ConfigError as error:
        raise ConfigError(error.problems + problems) from None
    if problems:
        raise ConfigError(problems)
    return config
