"""Values of the stack configuration: read key by key, what is wrong with them collected."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import yaml

from infra import PROJECT, ROOT

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{LABEL}\.)+[a-z]{{2,63}}")
_EMAIL = re.compile(r"[^@\s]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,63}")


class ConfigError(pulumi.RunError):
    """The stack configuration cannot be used; the message lists every problem with its cure."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        super().__init__(f"{count} in the stack configuration:\n" + "\n".join(f"  {p}" for p in problems))


# Pulumi.yaml names every key with its type, meaning and default.
KEYS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]


def is_domain(name: str) -> bool:
    """Whether it is a domain name of two labels or more, in lower case."""
    return bool(_DOMAIN.fullmatch(name)) and len(name) <= 253


def is_mail(address: str) -> bool:
    """Whether it is a mail address."""
    return bool(_EMAIL.fullmatch(address))


class Reader:
    """Reads keys one by one and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.problems: list[str] = []

    def refuse(self, key: str, value: object, allowed: str) -> None:
        """Record that a key's value cannot be used."""
        shown = "is not set" if value in ("", [], None) else f"= {json.dumps(value)}"
        self.problems.append(f"{PROJECT}:{key} {shown}: {allowed}")

    def raw(self, key: str) -> str | None:
        """The value as it stands in the stack's file; None where it does not."""
        value = self.values.get(f"{PROJECT}:{key}")
        return value if value is None else str(value)

    def text(self, key: str, valid: Callable[[str], bool], allowed: str) -> str:
        """A text, its default where it is not set."""
        value = (self.raw(key) or KEYS[key]["default"]).strip()
        if not valid(value):
            self.refuse(key, value, allowed)
        return str(value)

    def integer(self, key: str, low: int, high: int, allowed: str) -> int:
        """A whole number within bounds; its default where it is refused."""
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
        """True or false."""
        raw = self.raw(key)
        if raw is None:
            return bool(KEYS[key]["default"])
        if raw.lower() not in ("true", "false"):
            self.refuse(key, raw, "allowed: true, false")
        return raw.lower() == "true"

    def structure(self, key: str, kind: type) -> Any:
        """A list or a map, which Pulumi keeps as JSON."""
        raw = self.raw(key)
        if raw is None:
            return KEYS[key]["default"]
        try:
            value = json.loads(raw)
        except json.JSONDecodeError:
            value = raw
        if not isinstance(value, kind):
            self.refuse(key, value, f"not {'a list' if kind is list else 'a map'}; {STRUCTURE_HELP[key]}")
            return KEYS[key]["default"]
        return value


STRUCTURE_HELP = {
    "ssh_allowed_cidrs": "run: pulumi config set --path 'ssh_allowed_cidrs[0]' 203.0.113.7/32",
    "studio_allowed_cidrs": "run: pulumi config set --path 'studio_allowed_cidrs[0]' 203.0.113.7/32",
    "rotations": "run: make rotate SECRET=db_workbench",
    "finished_rotations": "run: make rotate SECRET=jwt FINISH=1",
    "source_extensions": "run: pulumi config set --path 'source_extensions[0]' pgsodium",
    "odoo_companies": "run: pulumi config set --path 'odoo_companies.1' acme",
    "auth_redirect_urls": "run: pulumi config set --path 'auth_redirect_urls[0]' 'https://app.example.com/**'",
}
