"""PostgreSQL has a session for everybody who may want one: the table's `connections`, the pools, the reserve."""

from typing import Any

import pytest
from jinja2.nativetypes import NativeEnvironment

from infra.phases import PHASES
from plugins.filter.components import components_in_phase
from plugins.filter.postgresql import postgresql_sizing
from tests.unit.project import ROOT, components, read_yaml

# The role that checks the server, a person with psql and the exporters: superusers have the reserve for themselves.
SPARE = 5


def rendered(expression: str, **variables: Any) -> Any:
    environment = NativeEnvironment()
    environment.filters |= {"postgresql_sizing": postgresql_sizing, "combine": lambda one, other: {**one, **other}}
    return environment.from_string(expression).render(variables)


def needed(phase: int, machine: dict[str, int]) -> dict[str, int]:
    """Sessions by who may hold them."""
    pooler = ROOT / "roles" / "pgbouncer"
    server = read_yaml(ROOT / "roles" / "postgresql" / "vars" / "main.yml")["__postgresql_fixed_settings"]
    defaults = read_yaml(pooler / "defaults" / "main.yml")
    per_database = rendered(
        defaults["pgbouncer_database_connections"], pgbouncer_pool_size=defaults["pgbouncer_pool_size"], **machine
    )
    databases = rendered(
        read_yaml(pooler / "vars" / "main.yml")["__pgbouncer_databases"], platform_database="db", __pgbouncer_server={}
    )
    rows = components_in_phase(components(), phase)
    return {
        "reserved for superusers": server["superuser_reserved_connections"],
        "spare": SPARE,
        "pgbouncer": per_database * len(databases),
        **{name: row["connections"] for name, row in rows.items() if "connections" in row},
    }


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_the_sum_of_all_pools_fits_the_server(phase: int) -> None:
    machine = {"platform_memory_mb": PHASES[phase].memory_mb, "platform_vcpus": PHASES[phase].vcpus}
    allowed = postgresql_sizing(machine["platform_memory_mb"], machine["platform_vcpus"])["max_connections"]
    wanted = needed(phase, machine)
    assert {"auth", "rest", "pgbouncer"} <= set(wanted)
    assert sum(wanted.values()) <= int(allowed), f"{wanted} of {allowed}"


def test_rest_keeps_one_session_for_listening() -> None:
    pool = rendered(read_yaml(ROOT / "roles" / "rest" / "defaults" / "main.yml")["rest_pool"], components=components())
    assert pool + 1 == components()["rest"]["connections"]
