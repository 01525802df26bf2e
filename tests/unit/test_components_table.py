"""The component table is complete, without contradictions, and the only place for ports."""

import re
import subprocess
from collections import Counter

from tests.unit.project import GROUP_VARS, ROLES, ROOT, components, read_yaml

FIELDS = {
    "title",
    "phase",
    "role",
    "planned",
    "group",
    "kind",
    "unit",
    "address",
    "ports",
    "vhosts",
    "paths",
    "routes",
    "health",
    "metrics",
    "connections",
    "database",
    "log",
}
REQUIRED = {"title", "phase", "role", "group", "kind", "unit", "ports", "health", "log"}
# The plan's section 4.1.
PLAN_PORTS = {
    "nginx": {80, 443},
    "gateway": {8000},
    "auth": {9999},
    "rest": {3000},
    "realtime": {4000},
    "storage": {5000},
    "postgresql": {5432},
    "pgbouncer": {6432},
    "redis": {6379},
    "minio": {9000, 9001},
    "functions": {8080},
}


def test_rows_have_the_fields_the_header_explains() -> None:
    for name, row in components().items():
        assert set(row) <= FIELDS, f"{name}: unknown {set(row) - FIELDS}"
        assert set(row) >= REQUIRED, f"{name}: missing {REQUIRED - set(row)}"
        assert row["phase"] in {1, 2, 3, 4}, name
        assert row["group"] in {"data", "app", "edge", "ops"}, name
        assert row["kind"] in {"package", "container"}, name
        assert row["unit"].endswith(".service"), name


def test_a_row_is_planned_exactly_while_its_role_is_missing() -> None:
    roles = {role.name for role in ROLES}
    for name, row in components().items():
        assert bool(row.get("planned")) is (row["role"] not in roles), name


def test_ports_are_unique_on_one_machine() -> None:
    counted = Counter(port["port"] for row in components().values() for port in row["ports"])
    assert not [port for port, times in counted.items() if times > 1]


def test_every_container_has_an_address_of_its_own_that_nobody_else_is_given() -> None:
    addresses = {name: row.get("address") for name, row in components().items()}
    for name, row in components().items():
        assert (addresses[name] in range(200, 255)) is (row["kind"] == "container"), name
    given = [address for address in addresses.values() if address]
    assert len(given) == len(set(given))


def test_ports_have_a_name_and_a_known_bind() -> None:
    for name, row in components().items():
        names = [port["name"] for port in row["ports"]]
        assert len(names) == len(set(names)), name
        for port in row["ports"]:
            assert set(port) == {"name", "port", "bind"}, name
            assert port["bind"] in {"public", "loopback", "bridge"}, name
        for check in ("health", "metrics"):
            assert row.get(check, {"port": names[0]})["port"] in names, f"{name}: {check} names no port"


def test_the_plan_s_ports_are_honoured() -> None:
    for name, ports in PLAN_PORTS.items():
        assert ports <= {port["port"] for port in components()[name]["ports"]}, name


def test_only_ssh_and_the_edge_are_public() -> None:
    public = {port["port"] for row in components().values() for port in row["ports"] if port["bind"] == "public"}
    assert public == {22, 80, 443}


def test_denied_components_exist_and_are_not_public() -> None:
    for name in read_yaml(GROUP_VARS / "components.yml")["firewall_denied_components"]:
        assert all(port["bind"] != "public" for port in components()[name]["ports"]), name


def test_no_port_of_the_table_is_written_anywhere_else() -> None:
    ports = {str(port["port"]) for row in components().values() for port in row["ports"]} - {"22", "80", "443"}
    literal = re.compile(rf"(?<![\w.:/-])({'|'.join(sorted(ports))})(?![\w.-])")
    small = re.compile(r"port\w*['\"]?\s*[:=]\s*['\"]?(22|80|443)\b", re.IGNORECASE)
    places = ["infra", "ops", "roles", "playbooks", "policy", "plugins", "__main__.py"]
    listed = subprocess.run(["git", "ls-files", "--", *places], cwd=ROOT, text=True, capture_output=True, check=True)
    found = []
    for name in listed.stdout.split():
        if name.endswith((".md", "components.yml")):
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            code = line.split("#", 1)[0]
            if literal.search(code) or small.search(code):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, "ports belong into the component table:\n" + "\n".join(found)
