"""The gateway's configuration: a golden file, and what holds whatever the table says."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.kong import (
    PLUGINS,
    gateway_routes,
    kong_configuration,
    kong_largest_body,
    kong_passing,
    kong_peers,
    kong_plugins,
    kong_probe,
    secret_paths,
)
from tests.unit.project import components

GOLDEN = Path(__file__).parent / "golden" / "kong.json"
SECRETS = {
    "anon_key": "anon.token.now",
    "anon_key_previous": "anon.token.before",
    "service_role_key": "service.token.now",
    "publishable_key": "sb_publishable_now",
    "secret_key": "sb_secret_now",
    "secret_key_previous": "sb_secret_before",
}
PHASES = (1, 2, 3, 4)


def everything() -> dict[str, dict[str, Any]]:
    """The table as it will be when nothing is planned any more."""
    return {name: {**row, "planned": False} for name, row in components().items()}


def rendered(table: dict[str, dict[str, Any]] | None = None, phase: int = 4, **changes: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "secrets": SECRETS,
        "limits": {"client": 6000, "service": 60000},
        "origins": ["*"],
        "redis": {"host": "10.0.0.1", "port": 1234, "username": "gateway", "password": "counters"},
        "connect_seconds": 60,
    }
    return kong_configuration(table or everything(), phase, **{**inputs, **changes})


def golden_text() -> str:
    return json.dumps(rendered(), indent=1) + "\n"


def plugins_of(document: dict[str, Any], route: str) -> dict[str, dict[str, Any]]:
    """The plugins of one route that hold for everybody, by name."""
    return {
        plugin["name"]: plugin["config"]
        for plugin in document["plugins"]
        if plugin.get("route") == route and "consumer" not in plugin
    }


def test_the_rendered_file_is_the_golden_one() -> None:
    assert golden_text() == GOLDEN.read_text(), (
        "if this is meant: python -m tests.unit.plugins.test_kong > (the golden file)"
    )


@pytest.mark.parametrize("phase", PHASES)
def test_no_route_is_open_unless_the_table_says_so(phase: int) -> None:
    document = rendered(phase=phase)
    for route in gateway_routes(everything(), phase):
        found = plugins_of(document, route.name)
        match route.access:
            case "public":
                assert "key-auth" not in found
            case "optional":
                assert found["key-auth"]["anonymous"] == "nobody"
            case "key":
                assert "anonymous" not in found["key-auth"]
                assert found["acl"]["allow"] == ["anon", "service_role"]
            case "service":
                assert "anonymous" not in found["key-auth"]
                assert found["acl"]["allow"] == ["service_role"]
            case "closed":
                assert found["request-termination"]["status_code"] == 403


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_routed_but_what_the_table_has(phase: int) -> None:
    document = rendered(phase=phase)
    served = [(route, service["url"]) for service in document["services"] for route in service["routes"]]
    paths = [path for route, _ in served for path in route["paths"]]
    paths += [path for route in document["routes"] for path in route["paths"]]
    assert sorted(paths) == sorted(route.pattern for route in gateway_routes(everything(), phase))
    for route, url in served:
        host = url.split("/")[2].split(":")[0]
        owned = components()[host]["paths"]
        assert any(route["paths"][0].lstrip("~").startswith(f"{path}/") for path in owned), route
    assert not [path for path in paths if path.lstrip("~").startswith(("/pg", "/mcp", "/api", "/metrics"))]


def test_every_public_prefix_has_one_owner_and_no_prefix_holds_another() -> None:
    owners = Counter(path for row in components().values() for path in row.get("paths", ()))
    assert set(owners.values()) == {1}
    assert not [(one, two) for one in owners for two in owners if one != two and two.startswith(f"{one}/")]


def test_a_component_that_is_there_and_has_paths_has_routes() -> None:
    for name, row in components().items():
        if not row.get("planned") and row.get("paths"):
            assert row.get("routes"), f"{name}: its paths lead nowhere"


def test_what_is_planned_has_no_route() -> None:
    planned = {name: {**row, "planned": name == "rest"} for name, row in components().items()}
    assert "rest" not in {route.component for route in gateway_routes(planned, 4)}


def test_phases_bring_their_components_routes() -> None:
    assert {route.component for route in gateway_routes(everything(), 1)} == {"auth", "rest"}
    assert {route.component for route in gateway_routes(everything(), 3)} >= {"realtime", "storage"}


def test_keys_of_an_overlap_are_accepted_and_every_service_gets_the_token_of_now() -> None:
    document = rendered()
    keys = {
        consumer["username"]: [credential["key"] for credential in consumer.get("keyauth_credentials", [])]
        for consumer in document["consumers"]
    }
    assert keys == {
        "anon": ["anon.token.now", "sb_publishable_now", "anon.token.before"],
        "service_role": ["service.token.now", "sb_secret_now", "sb_secret_before"],
        "nobody": [],
    }
    translations = json.dumps([plugin for plugin in document["plugins"] if plugin["name"] == "request-transformer"])
    assert "before" not in translations
    for plugin in document["plugins"]:
        if plugin["name"] == "request-transformer":
            token = {"anon": "anon.token.now", "service_role": "service.token.now"}[plugin["consumer"]]
            assert plugin["config"]["add"] == plugin["config"]["replace"]
            assert f"'Bearer {token}'" in plugin["config"]["add"]["headers"][0]


def test_each_open_route_is_limited_in_rate_and_size() -> None:
    document = rendered()
    for service in document["services"]:
        (route,) = service["routes"]
        found = plugins_of(document, route["name"])
        assert found["rate-limiting"]["limit_by"] == "ip"
        assert ("request-size-limiting" in found) is route["request_buffering"]


def test_every_plugin_is_named_in_the_setting_that_switches_it_on() -> None:
    assert {plugin["name"] for plugin in rendered()["plugins"]} == set(PLUGINS)
    assert kong_plugins(everything()) == ",".join(sorted(PLUGINS))


def test_plugins_are_declared_once_for_their_scope() -> None:
    scopes = [(p["name"], p.get("route"), p.get("consumer")) for p in rendered()["plugins"]]
    assert len(scopes) == len(set(scopes))


def test_the_largest_body_is_that_of_the_table_or_none_where_one_streams() -> None:
    assert kong_largest_body(everything(), 1) == "8m"
    assert kong_largest_body(everything(), 3) == "0"


def test_a_request_waits_while_it_connects_and_is_never_sent_twice() -> None:
    for service in rendered(connect_seconds=7)["services"]:
        assert (service["connect_timeout"], service["retries"]) == (7000, 0)


def test_the_edge_lets_through_what_the_routes_take() -> None:
    passing = kong_passing(components(), 4)
    assert passing["rest"] == {"body": "8m", "streams": False, "seconds": 60}
    assert passing["auth"]["body"] == "1m"
    assert passing["storage"] == {"body": "0", "streams": True, "seconds": 300}
    assert "realtime" not in passing, "it has closed routes alone"


def test_requests_are_led_to_components_that_are_there() -> None:
    assert kong_peers(everything(), 1) == ["auth", "rest"]
    assert kong_peers({**everything(), "rest": {**everything()["rest"], "planned": True}}, 1) == ["auth"]


def test_paths_below_which_a_secret_follows_are_known() -> None:
    assert secret_paths(everything(), 1) == []
    assert secret_paths(everything(), 2) == ["/hooks/"]


def test_a_path_for_the_service_role_alone_is_found_or_missed() -> None:
    assert kong_probe(everything(), 1) == "/auth/v1/admin/"
    assert not kong_probe({"functions": everything()["functions"]}, 4)


@pytest.mark.parametrize("name", ["anon_key", "publishable_key", "service_role_key", "secret_key"])
def test_an_empty_key_is_refused_by_name(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name} is missing or empty"):
        rendered(secrets={**SECRETS, name: ""})


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"below": "/auth/v1/x", "access": "key"}, "must end with a slash"),
        ({"below": "/auth/v1/", "exact": "/auth/v1/x", "access": "key"}, "either exact or below"),
        ({"access": "key"}, "either exact or below"),
        ({"below": "/auth/v1/", "access": "open"}, "access is 'open'"),
        ({"below": "/auth/v1/"}, "access is None"),
        ({"exact": "/auth/v1/.*", "access": "public"}, "between slashes"),
        ({"below": "/auth/v1//", "access": "key"}, "between slashes"),
        ({"below": "/authority/", "access": "key"}, "not below the component's paths, /auth/v1"),
        ({"below": "/auth/v1/", "access": "key", "acces": "public"}, "unknown acces"),
        ({"exact": "/auth/v1/x", "access": "public", "secret": True}, "an exact path is no secret"),
    ],
)
def test_a_row_that_means_nothing_is_refused(route: dict[str, Any], said: str) -> None:
    auth = {**everything()["auth"], "routes": [route]}
    with pytest.raises(AnsibleFilterError, match=said):
        rendered({"auth": auth})


def test_two_routes_to_one_path_are_refused() -> None:
    auth = {**everything()["auth"], "routes": [{"below": "/auth/v1/", "access": "key"}] * 2}
    with pytest.raises(AnsibleFilterError, match="two routes"):
        rendered({"auth": auth})


if __name__ == "__main__":
    print(golden_text(), end="")
