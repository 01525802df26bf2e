"""What the edge answers for: the platform's names, and behind each what may pass and where to."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

Row = Mapping[str, Any]
_SALT_BYTES = 8


def virtual_hosts(
    components: Mapping[str, Row], phase: int, domain: str, gateway: str, edge: str
) -> list[dict[str, Any]]:
    """One entry per name of the phase, the domain itself first, then as the table lists them.

    `gateway` and `edge` are the rows of the component that every API name leads to, and of the one that answers for
    the domain itself. An entry has:

      name     the host name
      kind     pages: files; gateway: requests for the gateway; own: requests for the component itself
      target   the component that the requests go to, nothing for pages
      there    whether everything that must answer is installed already
      routes   path and component of each prefix with its own limits
      rest     whether other paths pass too: the gateway refuses what it does not know
    """
    present = {name: row for name, row in components.items() if int(row["phase"]) <= phase}
    if gateway not in present or edge not in present:
        raise AnsibleFilterError(f"the component table must have {gateway} and {edge} in phase {phase}")
    hosts = []
    for name, row in present.items():
        for label in row.get("vhosts", ()):
            answer = _pages() if name == edge else _requests(name, present, gateway)
            hosts.append({"name": f"{label}.{domain}" if label else domain, **answer})
    names = [host["name"] for host in hosts]
    if len(set(names)) != len(names):
        raise AnsibleFilterError(f"a name stands in the component table twice: {', '.join(sorted(names))}")
    return sorted(hosts, key=lambda host: host["name"] != domain)


def _pages() -> dict[str, Any]:
    return {"kind": "pages", "target": None, "there": True, "routes": [], "rest": False}


def _requests(name: str, present: Mapping[str, Row], gateway: str) -> dict[str, Any]:
    """A name of the gateway, of a component that is reached through it, or of one with a name of its own."""
    through = name == gateway or bool(present[name].get("paths"))
    target = gateway if through else name
    return {
        "kind": "gateway" if through else "own",
        "target": target,
        "there": not any(present[needed].get("planned") for needed in (name, target)),
        "routes": [
            {"path": str(path), "component": component}
            for component, row in present.items()
            if name in {gateway, component}
            for path in row.get("paths", ())
        ],
        "rest": target == name,
    }


def basic_auth(password: str, user: str) -> str:
    """A line of a password file for nginx.

    The hash is fast on purpose: nginx computes it on every request while everybody else waits, and the passwords are
    made by a generator, with more bits than can be tried. The salt follows from both, so that the line stays the same.
    """
    salt = hashlib.sha256(f"{user}:{password}".encode()).digest()[:_SALT_BYTES]
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return f"{user}:{{SSHA}}{base64.b64encode(digest + salt).decode()}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"basic_auth": basic_auth, "virtual_hosts": virtual_hosts}
