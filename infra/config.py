"""Stack configuration as one validated object.

All problems are reported together, each with the key, its value and what is allowed, before any resource is touched.
"""

import ipaddress
import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pulumi.runtime.config import CONFIG, is_config_secret

from infra import PROJECT, ROOT
from infra.accounts import (
    Accounts,
    Mail,
    read_accounts,
    read_given_secrets,
    read_mail,
    refuse_halves,
    secrets_in_clear,
)
from infra.components import versions
from infra.config_values import KEYS, STRUCTURE_HELP, ConfigError, Reader, is_domain, is_mail
from infra.odoo import Odoo, read_odoo, refuse_odoo_halves
from infra.phases import PHASES, Phase
from infra.secrets import OVERLAPPING, ROTATABLE, SECRETS, WHY_FIXED

# Regions that offer droplets, volumes and Spaces alike; the platform needs all three.
REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
DNS_PROVIDERS = ("digitalocean", "external")
ENVIRONMENTS = ("production", "staging")
LARGEST_VOLUME_GB = 16384
LONGEST_RETENTION_WEEKS = 52
# Lists the checksums in a folder of archives (plugins/filter/images.py reads it for the roles).
SUMS = "SHA256SUMS"

_PLATFORM = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_HTTPS_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::\d{1,5})?/[!-~]*")


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
    odoo: Odoo
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


def parse(values: Mapping[str, str]) -> StackConfig:
    """Validate the namespaced configuration values of a stack."""
    read = Reader(values)
    for full in sorted(values):
        namespace, _, key = full.partition(":")
        if namespace == PROJECT and key not in KEYS:
            _refuse_unknown(read, key)

    phase = PHASES[read.integer("phase", 1, 4, f"allowed: {', '.join(map(str, PHASES))}")]
    environment = read.text("environment", ENVIRONMENTS.__contains__, f"allowed: {', '.join(ENVIRONMENTS)}")
    production = environment != "staging"
    smallest = phase.storage_gb if production else 1
    ssh_allowed_cidrs = _cidrs(read, "ssh_allowed_cidrs", "SSH", production=production, needed=True)
    domain = read.text("domain", is_domain, "allowed: a lower-case domain name such as supabase.example.com")
    config = StackConfig(
        phase=phase,
        region=read.text("region", REGIONS.__contains__, f"allowed: {', '.join(REGIONS)}"),
        domain=domain,
        dns_provider=read.text("dns_provider", DNS_PROVIDERS.__contains__, f"allowed: {', '.join(DNS_PROVIDERS)}"),
        dns_zone=read.text(
            "dns_zone",
            lambda zone: zone == "" or (is_domain(zone) and domain.endswith(f".{zone}")),
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
            is_mail,
            "allowed: a mail address; run: pulumi config set alert_email ops@example.com",
        ),
        acme_directory=read.text(
            "acme_directory",
            lambda url: bool(_HTTPS_URL.fullmatch(url)),
            "allowed: an https address; for rehearsals https://acme-staging-v02.api.letsencrypt.org/directory",
        ),
        mail=read_mail(read),
        accounts=read_accounts(read, domain, production),
        odoo=read_odoo(read, production),
        converge=read.boolean("converge"),
        protect=read.boolean("protect"),
        rotations=_generations(read, "rotations", ROTATABLE),
        finished_rotations=_generations(read, "finished_rotations", OVERLAPPING),
        source_extensions=_source_extensions(read),
        given_secrets=read_given_secrets(read),
    )
    refuse_halves(read, config.mail, config.accounts, config.given_secrets)
    refuse_odoo_halves(read, config.odoo, config.given_secrets)
    if production and not config.protect:
        read.refuse(
            "protect", config.protect, "allowed in production: true; docs/operations.md says how to remove a platform"
        )
    if config.dns_zone and config.dns_provider == "external":
        read.refuse("dns_zone", config.dns_zone, "allowed only with dns_provider digitalocean")
    if read.problems:
        raise ConfigError(read.problems)
    return config


def _refuse_unknown(read: Reader, key: str) -> None:
    # The value is not shown: an unknown key may hold a secret that was set in the wrong place.
    if key in {spec.name for spec in SECRETS}:
        read.problems.append(f"{PROJECT}:{key}: the platform makes this secret itself; run: pulumi config rm {key}")
    else:
        read.problems.append(f"{PROJECT}:{key}: unknown key; allowed: {', '.join(KEYS)}; run: pulumi config rm {key}")


def _cidrs(read: Reader, key: str, service: str, *, production: bool, needed: bool = False) -> tuple[str, ...]:
    values = read.structure(key, list)
    if needed and not values:
        read.refuse(key, [], f"name the networks that may reach {service}; {STRUCTURE_HELP[key]}")
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


def _generations(read: Reader, key: str, allowed: Collection[str]) -> dict[str, int]:
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


def _source_extensions(read: Reader) -> tuple[str, ...]:
    key = "source_extensions"
    allowed = sorted(name for name, pin in versions().items() if "repository" in pin)
    names = read.structure(key, list)
    for name in names:
        if name not in allowed:
            read.refuse(key, name, f"allowed: {', '.join(allowed)}")
    return tuple(sorted(set(map(str, names))))


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
