"""Projects: how the control panel groups resources."""

import re
from collections.abc import Iterator
from typing import Any, override

from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_uuid, now, refuse_duplicate
from sandbox.cloud.kind import Failure, Kind, Property, Values, record
from sandbox.state import Record

_ENVIRONMENTS = ("Development", "Staging", "Production")
_URN = re.compile(r"do:(droplet|volume|domain|reservedip|space):(.+)")
_COLLECTIONS = {
    "droplet": "droplets",
    "volume": "volumes",
    "domain": "domains",
    "reservedip": "reserved_ips",
    "space": "buckets",
}
_LONGEST_NAME = 175
_DEFAULT_PURPOSE = "Web Application"


class Project(Kind):
    """A named group of resources."""

    resource_type = "digitalocean:index/project:Project"
    collection = "projects"
    properties = (
        Property("name", str, autoname=True),
        Property("description", str),
        Property("purpose", str, default=_DEFAULT_PURPOSE),
        Property("environment", str),
        Property("isDefault", bool),
        Property("resources", list, computed=True),
    )
    computed = ("createdAt", "ownerId", "ownerUuid", "updatedAt", "resources")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        name, environment, resources = (inputs.get(key) for key in ("name", "environment", "resources"))
        if isinstance(name, str) and len(name) > _LONGEST_NAME:
            yield "name", f"name must have at most {_LONGEST_NAME} characters"
        yield from catalog.one_of(
            "environment", environment.title() if isinstance(environment, str) else environment, _ENVIRONMENTS
        )
        for urn in resources if isinstance(resources, list) else []:
            if isinstance(urn, str) and not _URN.fullmatch(urn):
                yield "resources", f"a project takes droplets, volumes, domains, reserved IPs and Spaces, got {urn!r}"

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Make the group."""
        with account.state.change() as state:
            refuse_duplicate(state, self.collection, "name", inputs["name"], "name is already in use")
            ident = new_uuid()
            state.setdefault(self.collection, {})[ident] = record(
                ident, urn, updated_at=now(), **_fields(state, inputs)
            )
        return ident

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a project; resources that are gone have left it."""
        state = account.state.read()
        return {
            "name": record["name"],
            "description": record["description"],
            "purpose": record["purpose"],
            "environment": record["environment"],
            "isDefault": record["is_default"],
            "createdAt": record["created_at"],
            "updatedAt": record["updated_at"],
            "ownerId": 1,
            "ownerUuid": "00000000-0000-4000-8000-000000000001",
            "resources": [urn for urn in record["resources"] if _exists(state, urn)],
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Change the group."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            state[self.collection][ident].update(_fields(state, inputs), updated_at=now())

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Remove the group; its resources move to the default project."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)


def _fields(state: dict[str, Any], inputs: Values) -> Values:
    resources = inputs.get("resources") or []
    for urn in resources:
        if not _exists(state, urn):
            raise ApiError(404, f"resource {urn} could not be found")
    return {
        "name": inputs["name"],
        "description": inputs.get("description") or "",
        "purpose": inputs.get("purpose") or _DEFAULT_PURPOSE,
        "environment": (inputs.get("environment") or "").title(),
        "is_default": bool(inputs.get("isDefault")),
        "resources": resources,
    }


def _exists(state: dict[str, Any], urn: str) -> bool:
    match = _URN.fullmatch(urn)
    return match is not None and match[2] in state.get(_COLLECTIONS[match[1]], {})
