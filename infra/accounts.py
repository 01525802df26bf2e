"""How people get an account: the mails that leave, who may sign in, the secrets that only the operator knows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra import PROJECT
from infra.config_values import LABEL, Reader, is_mail
from infra.secrets import is_published
from infra.tokens import ELLIPTIC, SYMMETRIC

SIGNING_ALGORITHMS = (SYMMETRIC, ELLIPTIC)
# Who people may sign in with, besides with their mail address.
IDENTITY_PROVIDERS = ("google", "github")
# Secrets that only the operator can know: others made them.
GIVEN_SECRETS = (
    "smtp_password",
    *(f"auth_{provider}_client_secret" for provider in IDENTITY_PROVIDERS),
    "odoo_api_key",
)
LARGEST_PORT = 65535

# What a host or an identifier of others may be, and what fits into a line of an environment file.
_HOST = re.compile(rf"(?:{LABEL}\.)*{LABEL}")
_WORD = re.compile(r"[!-~]*")
_LINE = re.compile(r"[ -~]+")
# Between stars only; the last two labels of a name are never a star, since anybody can have a name below those.
_REDIRECT = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[A-Za-z0-9.*-]*(?::\d{1,5})?)(?:/[A-Za-z0-9/._~*=&%-]*)?"
)
_RUN_BY_BROWSERS = ("javascript", "data", "vbscript", "file", "blob")
_OWN_MACHINE = ("localhost", "127.0.0.1")
_HIDE = "run: pulumi config set --secret {}"


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


def read_mail(read: Reader) -> Mail:
    """The server that mails leave through, of a stack's configuration."""
    return Mail(
        host=read.text(
            "smtp_host", lambda host: host == "" or bool(_HOST.fullmatch(host)), "allowed: a host, or empty"
        ),
        port=read.integer("smtp_port", 1, LARGEST_PORT, f"allowed: 1 to {LARGEST_PORT}, such as 587, 465 or 2525"),
        user=read.text("smtp_user", lambda user: bool(_WORD.fullmatch(user)), "allowed: letters, digits and signs"),
        sender=read.text(
            "smtp_sender",
            lambda mail: mail == "" or is_mail(mail),
            "allowed: a mail address such as no-reply@example.com",
        ),
    )


def read_accounts(read: Reader, domain: str, production: bool) -> Accounts:
    """How people get an account and sign in, of a stack's configuration; the domain is where they arrive by default."""
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


def _redirect_urls(read: Reader, production: bool) -> tuple[str, ...]:
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


def read_given_secrets(read: Reader) -> dict[str, str]:
    """The secrets among GIVEN_SECRETS that are set, by name."""
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


def refuse_halves(read: Reader, mail: Mail, accounts: Accounts, given: Mapping[str, str]) -> None:
    """Refuse settings that mean nothing without one another. A secret's value is never shown."""
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


def secrets_in_clear(values: Mapping[str, str], is_secret: Callable[[str], bool]) -> list[str]:
    """One line per secret that stands in the stack's file as everybody can read it."""
    return [
        f"{PROJECT}:{key}: it is in clear in the stack's file, so it is one no more: make a new one, then"
        f" {_HIDE.format(key)}"
        for key in GIVEN_SECRETS
        if values.get(f"{PROJECT}:{key}") and not is_secret(f"{PROJECT}:{key}")
    ]
