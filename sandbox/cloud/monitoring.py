"""Uptime checks and alert policies. The sandbox keeps and validates them; nobody watches."""

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any, override

from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_uuid
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.state import Record

_CHECK_TYPES = ("ping", "http", "https")
_CHECK_REGIONS = ("us_east", "us_west", "eu_west", "se_asia")
_UPTIME_ALERT_TYPES = ("latency", "down", "down_global", "ssl_expiry")
_COMPARISONS = ("greater_than", "less_than")
_PERIODS = ("2m", "3m", "5m", "10m", "15m", "30m", "1h")
_WINDOWS = ("5m", "10m", "30m", "1h")
_COMPARES = ("GreaterThan", "LessThan")
_DROPLET_METRICS = (
    "v1/insights/droplet/load_1",
    "v1/insights/droplet/load_5",
    "v1/insights/droplet/load_15",
    "v1/insights/droplet/memory_utilization_percent",
    "v1/insights/droplet/disk_utilization_percent",
    "v1/insights/droplet/cpu",
    "v1/insights/droplet/disk_read",
    "v1/insights/droplet/disk_write",
    "v1/insights/droplet/public_outbound_bandwidth",
    "v1/insights/droplet/public_inbound_bandwidth",
    "v1/insights/droplet/private_outbound_bandwidth",
    "v1/insights/droplet/private_inbound_bandwidth",
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class _Kept(Kind):
    """A resource that is only remembered: its inputs are all there is to it."""

    identifier: str | None = None

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Remember it."""
        with account.state.change() as state:
            self.require(state, inputs)
            ident = new_uuid()
            state.setdefault(self.collection, {})[ident] = record(ident, urn, inputs=self._complete(inputs))
        return ident

    def require(self, state: dict[str, Any], inputs: Values) -> None:
        """Refuse a reference to something that does not exist."""

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about it."""
        return dict(record["inputs"]) | ({self.identifier: record["id"]} if self.identifier else {})

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Remember it changed."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            self.require(state, inputs)
            state[self.collection][ident]["inputs"] = self._complete(inputs)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Forget it."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)

    def _complete(self, inputs: Values) -> Values:
        return {prop.name: prop.default for prop in self.properties if prop.default is not None} | inputs


class UptimeCheck(_Kept):
    """A check from outside."""

    resource_type = "digitalocean:index/uptimeCheck:UptimeCheck"
    collection = "uptime_checks"
    properties = (
        Property("name", str, autoname=True),
        Property("target", str, required=True),
        Property("type", str, default="https"),
        Property("regions", list, computed=True),
        Property("enabled", bool, default=True),
    )

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("type", inputs.get("type"), _CHECK_TYPES)
        for region in inputs["regions"] if isinstance(inputs.get("regions"), list) else []:
            yield from catalog.one_of("regions", region, _CHECK_REGIONS)
        target = inputs.get("target")
        if isinstance(target, str) and inputs.get("type", "https") != "ping":
            url = urllib.parse.urlsplit(target)
            if url.scheme not in ("http", "https") or not url.hostname:
                yield "target", f"expected a URL such as https://example.com, got {target!r}"


class UptimeAlert(_Kept):
    """A notification about an uptime check."""

    resource_type = "digitalocean:index/uptimeAlert:UptimeAlert"
    collection = "uptime_alerts"
    properties = (
        Property("name", str, autoname=True),
        Property("checkId", str, required=True, replaces=True),
        Property("type", str, required=True),
        Property("threshold", int),
        Property("comparison", str),
        Property("period", str),
        Property("notifications", list, required=True),
    )

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("type", inputs.get("type"), _UPTIME_ALERT_TYPES)
        yield from catalog.one_of("comparison", inputs.get("comparison"), _COMPARISONS)
        yield from catalog.one_of("period", inputs.get("period"), _PERIODS)
        for notification in inputs["notifications"] if isinstance(inputs.get("notifications"), list) else []:
            yield from _check_recipients("notifications", notification, "emails")

    def require(self, state: dict[str, Any], inputs: Values) -> None:
        """An alert belongs to a check."""
        if inputs["checkId"] not in state.get(UptimeCheck.collection, {}):
            raise ApiError(404, f"uptime check {inputs['checkId']} could not be found")


class MonitorAlert(_Kept):
    """An alert policy on a droplet's metrics."""

    resource_type = "digitalocean:index/monitorAlert:MonitorAlert"
    collection = "monitor_alerts"
    identifier = "uuid"
    properties = (
        Property("type", str, required=True),
        Property("description", str, required=True),
        Property("compare", str, required=True),
        Property("value", float, required=True),
        Property("window", str, required=True),
        Property("alerts", dict, required=True),
        Property("entities", list),
        Property("tags", list),
        Property("enabled", bool, default=True),
    )
    computed = ("uuid",)

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("type", inputs.get("type"), _DROPLET_METRICS)
        yield from catalog.one_of("compare", inputs.get("compare"), _COMPARES)
        yield from catalog.one_of("window", inputs.get("window"), _WINDOWS)
        yield from catalog.tags(inputs.get("tags"))
        value = inputs.get("value")
        if isinstance(value, int | float) and value < 0:
            yield "value", f"expected value to be at least 0, got {value}"
        yield from _check_recipients("alerts", inputs.get("alerts"), "emails")

    def require(self, state: dict[str, Any], inputs: Values) -> None:
        """A policy names droplets that exist."""
        for entity in inputs.get("entities") or []:
            if str(entity) not in state.get("droplets", {}):
                raise ApiError(422, f"droplet {entity} does not exist")


def _check_recipients(name: str, value: Any, field: str) -> Iterator[Failure]:
    if not isinstance(value, dict):
        return
    if not value.get(field) and not value.get("slacks"):
        yield name, "at least one email address or Slack channel is required"
    addresses = value.get(field)
    for address in addresses if isinstance(addresses, list) else []:
        if address is not UNKNOWN and not _EMAIL.fullmatch(str(address)):
            yield name, f"expected an email address, got {address!r}"
