from typing import Any

import pytest

from infra.components import TableError, load, parse, versions


def row(**changes: Any) -> dict[str, Any]:
    return {
        "title": "T",
        "phase": 1,
        "role": "t",
        "group": "app",
        "kind": "package",
        "unit": "t.service",
        "ports": [{"name": "http", "port": 1234, "bind": "loopback"}],
        "health": {"port": "http", "tcp": True},
        **changes,
    }


def table(**rows: dict[str, Any]) -> dict[str, Any]:
    return {"components": rows, "firewall_denied_components": []}


def test_public_ports_come_from_the_phase_s_components_only() -> None:
    rows = parse(
        table(
            a=row(ports=[{"name": "http", "port": 9, "bind": "public"}, {"name": "x", "port": 8, "bind": "bridge"}]),
            b=row(phase=3, ports=[{"name": "http", "port": 7, "bind": "public"}]),
        )
    )
    assert rows.public_ports(1) == (9,)
    assert rows.public_ports(3) == (7, 9)


def test_the_real_table_opens_ssh_and_the_web_only() -> None:
    rows = load()
    web = {port.number for port in rows["nginx"].ports}
    assert set(rows.public_ports(4)) == web | {rows["ssh"].port("ssh")}
    assert set(rows.denied_ports()) == {rows["postgresql"].port("sql"), rows["redis"].port("redis")}


def test_vhosts_are_the_plan_s_names_without_the_domain_itself() -> None:
    assert load().vhosts(1) == ("api", "auth", "studio")
    assert load().vhosts(4) == ("api", "auth", "storage", "studio")


def test_https_is_served_once_the_domain_s_own_component_is_there() -> None:
    assert not parse(table(web=row(vhosts=[""], planned=True))).serves_https(1)
    assert parse(table(web=row(vhosts=[""]))).serves_https(1)
    assert not parse(table(web=row(vhosts=[""], phase=2))).serves_https(1)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (row(group="nowhere"), "component x: group is 'nowhere'; allowed: data, app, edge, ops"),
        (row(ports=[{"name": "http", "port": 1, "bind": "world"}]), "component x, port http: bind is 'world'"),
        ({key: value for key, value in row().items() if key != "unit"}, "component x: 'unit' is missing"),
    ],
)
def test_a_malformed_row_is_named(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError) as caught:
        parse(table(x=broken))
    assert said in str(caught.value)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(TableError, match="no row called nothing"):
        load()["nothing"]
    with pytest.raises(TableError, match="no port called nothing"):
        load()["ssh"].port("nothing")


def test_the_image_is_pinned() -> None:
    assert versions()["debian"]["image"]
