"""The gateway's stand-in reads what the role renders, and refuses whatever it would not enforce as Kong does."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.filter.kong import PLUGINS
from sandbox.images.gateway.rootfs.usr.local.lib.gateway import declaration, settings

GOLDEN = Path(__file__).parents[1] / "plugins" / "golden" / "kong.json"
ENABLED = set(PLUGINS)
ENVIRONMENT = {"KONG_DATABASE": "off", "KONG_DECLARATIVE_CONFIG": "/etc/gateway/kong.yml"}
ENVIRONMENT["KONG_UPSTREAM_KEEPALIVE_POOL_SIZE"] = "0"
Document = dict[str, Any]


def golden() -> Document:
    document: Document = yaml.safe_load(GOLDEN.read_text())
    return document


def plugin(document: Document, name: str) -> Document:
    found: Document = next(entry for entry in document["plugins"] if entry["name"] == name)
    return found


def test_the_rendered_file_is_understood() -> None:
    plan = declaration.read(GOLDEN.read_text(), ENABLED)
    assert [route["path"] for route in plan["routes"] if route["exact"]][-1] == "/rest/v1/"
    prefixes = [len(route["path"]) for route in plan["routes"] if not route["exact"]]
    assert prefixes == sorted(prefixes, reverse=True)
    assert plan["credentials"]["sb_secret_before"] == "service_role"


CHANGES: dict[str, Callable[[Document], Any]] = {
    "format": lambda d: d.update(_format_version="2.1"),
    "no format": lambda d: d.pop("_format_version"),
    "unknown entity": lambda d: d.update(upstreams=[]),
    "transform": lambda d: d.update(_transform=True),
    "route methods": lambda d: d["services"][0]["routes"][0].update(methods=["GET"]),
    "route hosts": lambda d: d["services"][0]["routes"][0].update(hosts=["x"]),
    "path kept": lambda d: d["services"][0]["routes"][0].update(strip_path=False),
    "host kept": lambda d: d["services"][0]["routes"][0].update(preserve_host=True),
    "two paths": lambda d: d["services"][0]["routes"][0].update(paths=["/a/", "/b/"]),
    "free expression": lambda d: d["services"][0]["routes"][0].update(paths=["~/rest/.*$"]),
    "open expression": lambda d: d["services"][0]["routes"][0].update(paths=["~/rest/v1/"]),
    "relative path": lambda d: d["services"][0]["routes"][0].update(paths=["rest"]),
    "same name": lambda d: d["services"][1]["routes"][0].update(name=d["services"][0]["routes"][0]["name"]),
    "same path": lambda d: d["services"][1]["routes"][0].update(paths=d["services"][0]["routes"][0]["paths"]),
    "name that is nginx": lambda d: d["services"][0]["routes"][0].update(name="x { }"),
    "tries again": lambda d: d["services"][0].update(retries=5),
    "tries as often as Kong likes": lambda d: d["services"][0].pop("retries"),
    "no timeout": lambda d: d["services"][0].pop("read_timeout"),
    "tls to the service": lambda d: d["services"][0].update(url="https://rest/"),
    "route to nowhere": lambda d: d["routes"].append({**copy.deepcopy(d["routes"][0]), "name": "x", "paths": ["/x"]}),
    "unknown plugin": lambda d: d["plugins"].append({"name": "ip-restriction", "config": {"allow": ["10.0.0.0/8"]}}),
    "plugin field": lambda d: plugin(d, "acl")["config"].update(deny=["anon"]),
    "plugin switched off": lambda d: plugin(d, "key-auth").update(enabled=False),
    "plugin without config": lambda d: plugin(d, "key-auth").pop("config"),
    "plugin twice": lambda d: d["plugins"].append(copy.deepcopy(d["plugins"][0])),
    "plugin of no route": lambda d: plugin(d, "key-auth").update(route="nowhere"),
    "plugin of no consumer": lambda d: plugin(d, "rate-limiting").update(consumer="somebody"),
    "plugin of a service": lambda d: plugin(d, "key-auth").update(service="rest-v1"),
    "key-auth of a consumer": lambda d: plugin(d, "key-auth").update(consumer="anon"),
    "keys in the query": lambda d: plugin(d, "key-auth")["config"].update(key_in_query=True),
    "keys in the query by default": lambda d: plugin(d, "key-auth")["config"].pop("key_in_query"),
    "other key names": lambda d: plugin(d, "key-auth")["config"].update(key_names=["x"]),
    "anonymous nobody knows": lambda d: plugin(d, "key-auth")["config"].update(anonymous="x"),
    "limit per second": lambda d: plugin(d, "rate-limiting")["config"].update(second=1),
    "limit by path": lambda d: plugin(d, "rate-limiting")["config"].update(limit_by="path"),
    "no limit": lambda d: plugin(d, "rate-limiting")["config"].pop("minute"),
    "counters over tls": lambda d: plugin(d, "rate-limiting")["config"]["redis"].update(ssl=True),
    "no counters": lambda d: plugin(d, "rate-limiting")["config"].pop("redis"),
    "cors with credentials": lambda d: plugin(d, "cors")["config"].update(credentials=True),
    "cors expression": lambda d: plugin(d, "cors")["config"].update(origins=[r"https://.*\.example"]),
    "size in another unit": lambda d: plugin(d, "request-size-limiting")["config"].update(size_unit="gigabytes"),
    "body transformed": lambda d: plugin(d, "request-transformer")["config"]["add"].update(body=["a:b"]),
    "header without expression": lambda d: plugin(d, "request-transformer")["config"]["add"].update(headers=["A:b"]),
    "termination body": lambda d: plugin(d, "request-termination")["config"].update(body="x"),
    "empty key": lambda d: d["consumers"][0]["keyauth_credentials"][0].update(key=""),
    "no key": lambda d: d["consumers"][0]["keyauth_credentials"][0].pop("key"),
    "key twice": lambda d: d["consumers"][1]["keyauth_credentials"].append({"key": "sb_publishable_now"}),
    "key that ends": lambda d: d["consumers"][0]["keyauth_credentials"][0].update(ttl=60),
    "consumer twice": lambda d: d["consumers"].append({"username": "nobody"}),
    "other credentials": lambda d: d["consumers"][0].update(basicauth_credentials=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_would_not_be_enforced_is_refused(change: Callable[[Document], Any]) -> None:
    document = golden()
    change(document)
    with pytest.raises(declaration.DeclarationError):
        declaration.read(yaml.safe_dump(document), ENABLED)


@pytest.mark.parametrize("text", ["", "[]", "text", "a: [", "_format_version: 3.0"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(declaration.DeclarationError):
        declaration.read(text, ENABLED)


def test_a_plugin_that_is_not_switched_on_is_refused() -> None:
    with pytest.raises(declaration.DeclarationError, match="plugin 'acl' not enabled"):
        declaration.read(GOLDEN.read_text(), ENABLED - {"acl"})


def test_everything_that_is_wrong_is_said_at_once() -> None:
    document = golden()
    document["consumers"][0]["keyauth_credentials"][0]["key"] = ""
    document["services"][0]["routes"][0]["methods"] = ["GET"]
    with pytest.raises(declaration.DeclarationError) as caught:
        declaration.read(yaml.safe_dump(document), ENABLED)
    assert len(caught.value.problems) >= 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"KONG_SSL_CERT": "/x"}, "KONG_SSL_CERT is unknown"),
        ({"KONG_DATABASE": "postgres"}, "KONG_DATABASE is 'postgres'"),
        ({"KONG_ADMIN_LISTEN": "0.0.0.0:1"}, "the stand-in takes off"),
        ({"KONG_PROXY_LISTEN": "0.0.0.0:1 ssl"}, "takes one address:port"),
        ({"KONG_DECLARATIVE_CONFIG": ""}, "KONG_DECLARATIVE_CONFIG is not set"),
        ({"KONG_TRUSTED_IPS": "10.0.0.1; include x"}, "no place in it"),
        ({"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE": "60"}, "the stand-in takes 0"),
        ({"KONG_ROUTER_FLAVOR": "expressions"}, "traditional_compatible"),
    ],
)
def test_a_setting_that_would_not_be_honoured_is_refused(change: dict[str, str], said: str) -> None:
    with pytest.raises(settings.SettingsError, match=said):
        settings.read({**ENVIRONMENT, **change})


def test_without_a_database_setting_there_is_no_start() -> None:
    with pytest.raises(settings.SettingsError, match="KONG_DATABASE is 'not set'"):
        settings.read({"KONG_DECLARATIVE_CONFIG": "/x"})


def test_timeouts_and_buffers_are_those_of_the_route() -> None:
    plan = declaration.read(GOLDEN.read_text(), ENABLED)
    text = settings.nginx_conf(settings.read({**ENVIRONMENT, "KONG_TRUSTED_IPS": "10.0.0.1"}), plan, "10.0.0.2")
    storage = text.split("location @storage-v1 ")[1].split("location")[0]
    assert "proxy_read_timeout 300000ms;" in storage
    assert "proxy_request_buffering off;" in storage
    assert "set_real_ip_from 10.0.0.1;" in text
    assert "location @storage-v1-metrics" not in text, "a closed route has no way to a service"
