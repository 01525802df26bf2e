"""Which Odoo the platform reads, as whom, and whose data each of its companies holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra import PROJECT
from infra.config_values import LABEL, STRUCTURE_HELP, Reader

ENGINES = ("n8n", "worker")
API_KEY = "odoo_api_key"

_URL = re.compile(rf"(?P<scheme>https?)://(?:{LABEL}\.)*{LABEL}(?::\d{{1,5}})?")
_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LOGIN = re.compile(r"[!-~]*")
_COMPANY = re.compile(r"[1-9][0-9]{0,8}")
# As the table of organisations has it.
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_SLUG = 63


@dataclass(frozen=True)
class Odoo:
    """The Odoo that is read; without an address none is."""

    url: str
    database: str
    user: str
    """Odoo 18 asks for it beside the key; 19 knows it by the key."""
    engine: str
    companies: Mapping[str, str]
    """The slug of an organisation by the id of a company; other companies get an organisation of their own."""


def read_odoo(read: Reader, production: bool) -> Odoo:
    """The Odoo of a stack's configuration."""
    return Odoo(
        url=read.text(
            "odoo_url",
            lambda url: url == "" or _is_address(url, production),
            f"allowed: an address such as https://odoo.example.com{'' if production else ', with http too'}, or empty",
        ),
        database=read.text(
            "odoo_database",
            lambda name: name == "" or bool(_DATABASE.fullmatch(name)),
            "allowed: the name of Odoo's database: letters, digits, dots, dashes and underscores",
        ),
        user=read.text("odoo_user", lambda login: bool(_LOGIN.fullmatch(login)), "allowed: letters, digits and signs"),
        engine=read.text("odoo_sync_engine", ENGINES.__contains__, f"allowed: {', '.join(ENGINES)}"),
        companies=_companies(read),
    )


def _is_address(url: str, production: bool) -> bool:
    match = _URL.fullmatch(url)
    return bool(match and (match["scheme"] == "https" or not production))


def _companies(read: Reader) -> dict[str, str]:
    key = "odoo_companies"
    companies = {}
    for company, slug in read.structure(key, dict).items():
        if not _COMPANY.fullmatch(str(company)):
            read.refuse(f"{key}.{company}", slug, f"a company is named by its number; {STRUCTURE_HELP[key]}")
        elif not isinstance(slug, str) or not _SLUG.fullmatch(slug) or len(slug) > _LONGEST_SLUG:
            read.refuse(f"{key}.{company}", slug, "allowed: an organisation's slug: lower-case words joined by dashes")
        else:
            companies[str(company)] = slug
    return companies


def refuse_odoo_halves(read: Reader, odoo: Odoo, given: Mapping[str, str]) -> None:
    """Refuse settings that mean nothing without one another. The key is never shown."""
    if odoo.url:
        if not odoo.database:
            read.refuse("odoo_database", "", "odoo_url needs one; run: pulumi config set odoo_database ...")
        if API_KEY not in given:
            read.refuse(API_KEY, "", f"odoo_url needs one; run: pulumi config set --secret {API_KEY}")
        return
    for key, value in (("odoo_database", odoo.database), ("odoo_user", odoo.user), ("odoo_companies", odoo.companies)):
        if value:
            read.refuse(key, value, "means nothing without odoo_url")
    if API_KEY in given:
        read.problems.append(f"{PROJECT}:{API_KEY}: means nothing without odoo_url")
