"""Questions to the component table."""

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.components import (
    bound_ports,
    component_port,
    components_in_phase,
    own_database_rows,
    public_ports,
)
from tests.unit.project import components

TABLE = {
    "web": {
        "phase": 1,
        "ports": [{"name": "http", "port": 81, "bind": "public"}, {"name": "admin", "port": 82, "bind": "loopback"}],
    },
    "door": {"phase": 3, "ports": [{"name": "knock", "port": 23, "bind": "public"}]},
}


def test_a_port_is_found_by_component_and_name() -> None:
    assert component_port(TABLE, "web", "admin") == 82


def test_an_unknown_component_is_named_with_those_there_are() -> None:
    with pytest.raises(AnsibleFilterError, match="no 'wbe'; it has web, door"):
        component_port(TABLE, "wbe", "http")


def test_an_unknown_port_is_named_with_those_there_are() -> None:
    with pytest.raises(AnsibleFilterError, match="web has no port 'https'; it has http, admin"):
        component_port(TABLE, "web", "https")


def test_phases_are_cumulative() -> None:
    assert list(components_in_phase(TABLE, 1)) == ["web"]
    assert list(components_in_phase(TABLE, 3)) == ["web", "door"]


def test_ports_are_found_by_their_bind() -> None:
    assert bound_ports(TABLE, "loopback") == [{"component": "web", "name": "admin", "port": 82}]
    assert bound_ports(TABLE, "bridge") == []


def test_public_ports_are_sorted() -> None:
    assert public_ports(TABLE) == [23, 81]


def test_the_platform_s_own_table_answers() -> None:
    assert public_ports(components()) == [22, 80, 443]
    assert set(components_in_phase(components(), 4)) == set(components())


def test_a_database_of_its_own_takes_its_owner_from_a_container_and_nobody_else() -> None:
    table: dict[str, dict[str, object]] = {"flow": {"phase": 2, "database": "flow"}, "other": {"phase": 1}}
    assert own_database_rows(table, 1, "10.0.0.0/24") == []
    assert own_database_rows(table, 2, "10.0.0.0/24") == [
        {
            "type": "hostssl",
            "database": "flow",
            "user": "flow",
            "address": "10.0.0.0/24",
            "method": "scram-sha-256",
        },
        {"type": "host", "database": "all", "user": "flow", "address": "all", "method": "reject"},
        {"type": "local", "database": "all", "user": "flow", "method": "reject"},
    ]
