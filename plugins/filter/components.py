"""Questions to the component table (playbooks/group_vars/all/components.yml)."""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

Components = Mapping[str, Mapping[str, Any]]


def component_port(components: Components, component: str, name: str) -> int:
    """The number of one named port of one component."""
    if component not in components:
        raise AnsibleFilterError(f"the component table has no {component!r}; it has {', '.join(components)}")
    ports = {str(port["name"]): int(port["port"]) for port in components[component]["ports"]}
    if name not in ports:
        raise AnsibleFilterError(f"{component} has no port {name!r}; it has {', '.join(ports) or 'none'}")
    return ports[name]


def components_in_phase(components: Components, phase: int) -> dict[str, Mapping[str, Any]]:
    """The rows a platform of this phase has: phases are cumulative."""
    return {name: row for name, row in components.items() if int(row["phase"]) <= phase}


def own_database_rows(components: Components, phase: int, subnet: str) -> list[dict[str, str]]:
    """Rows of pg_hba.conf for the databases that components have for themselves.

    Their owner gets in from a container, and nowhere else; that nobody else does, the rows after these say.
    """
    rows = []
    for component in components_in_phase(components, phase).values():
        if owner := component.get("database"):
            allowed = {"type": "hostssl", "database": owner, "user": owner, "address": subnet}
            rows.append(allowed | {"method": "scram-sha-256"})
            rows.append({"type": "host", "database": "all", "user": owner, "address": "all", "method": "reject"})
            # The pooler's way.
            rows.append({"type": "local", "database": "all", "user": owner, "method": "reject"})
    return rows


def bound_ports(components: Components, bind: str) -> list[dict[str, Any]]:
    """Every port bound so, in the table's order: component, name, port."""
    return [
        {"component": component, "name": str(port["name"]), "port": int(port["port"])}
        for component, row in components.items()
        for port in row["ports"]
        if port["bind"] == bind
    ]


def public_ports(components: Components) -> list[int]:
    """The ports that answer the whole world, ascending."""
    return sorted(int(row["port"]) for row in bound_ports(components, "public"))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "bound_ports": bound_ports,
            "component_port": component_port,
            "components_in_phase": components_in_phase,
            "own_database_rows": own_database_rows,
            "public_ports": public_ports,
        }
