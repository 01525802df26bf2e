"""What restarts behind the edge loses no request: for one changed value, or because an operator says so."""

import http.client
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from infra import components
from infra.converge import converge
from ops.connect import Server
from tests.e2e.clients import at_work
from tests.e2e.edge import Edge
from tests.e2e.platform import Platform

CLIENTS = 3
INTERVAL_SECONDS = 0.02
ANSWER_SECONDS = 60
# Who answers a POST to which path. What the answer says is not the question here; that there is one is.
PATHS = {
    "gateway": "/nothing/here",
    "auth": "/auth/v1/token?grant_type=password",
    "rest": "/rest/v1/rpc/nothing",
}
THERE = [name for name in PATHS if not components.load()[name].planned]


@dataclass
class Seen:
    """What clients that post all the time have seen."""

    statuses: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())


@contextmanager
def posting(edge: Edge, path: str, key: str) -> Iterator[Seen]:
    """Some clients post to a path all the time, on a new connection each time, for as long as the block runs."""
    seen = Seen()

    def client() -> Generator[None]:
        while True:
            began = time.monotonic()
            try:
                status = edge.ask(edge.api, path, "POST", b"{}", [("apikey", key)]).status
                seen.statuses[status] = seen.statuses.get(status, 0) + 1
            except (OSError, http.client.HTTPException) as problem:
                seen.errors.append(f"{type(problem).__name__}: {problem}")
            seen.slowest = max(seen.slowest, time.monotonic() - began)
            yield

    with at_work(*(client() for _ in range(CLIENTS)), pause=INTERVAL_SECONDS):
        answers(seen, 10 * CLIENTS)
        yield seen
        answers(seen, 10 * CLIENTS)


def answers(seen: Seen, more: int) -> None:
    """Wait until the clients had so many more answers: who hardly asked would prove nothing."""
    wanted, deadline = seen.requests + more, time.monotonic() + ANSWER_SECONDS
    while seen.requests < wanted and not seen.errors:
        assert time.monotonic() < deadline, f"fewer than {more} answers in {ANSWER_SECONDS} s: {seen}"
        time.sleep(INTERVAL_SECONDS)


def starts(platform: Platform, server: Server) -> dict[str, str]:
    """When each unit of the platform was started, by component."""
    rows = [row for row in components.load().of_phase(platform.outputs["phase"]) if not row.planned]
    units = " ".join(row.unit for row in rows)
    said = server.run(f"systemctl show --property=ExecMainStartTimestampMonotonic --value {units}")
    return dict(zip((row.name for row in rows), said.split(), strict=True))


def restarted(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def assert_nothing_was_lost(seen: Seen) -> None:
    assert seen.errors == []
    assert {status for status in seen.statuses if status >= 500} == set(), seen.statuses


@pytest.mark.parametrize("component", THERE)
def test_a_container_that_an_operator_restarts_loses_no_request(
    platform: Platform, edge: Edge, server: Server, component: str
) -> None:
    before = starts(platform, server)
    with posting(edge, PATHS[component], platform.outputs["secrets"]["service_role_key"]) as seen:
        server.run(f"systemctl restart {components.load()[component].unit}")
    assert restarted(before, starts(platform, server)) == {component}
    assert_nothing_was_lost(seen)
    assert seen.slowest > 0.5, "nobody met the restart"


def test_a_changed_value_restarts_its_service_alone_and_loses_no_request(
    platform: Platform, edge: Edge, server: Server
) -> None:
    before = starts(platform, server)
    try:
        with posting(edge, PATHS["gateway"], platform.outputs["secrets"]["service_role_key"]) as seen:
            result = converge(platform.outputs, check=False, variables={"gateway_workers": 3})
        assert result.ok
        assert restarted(before, starts(platform, server)) == {"gateway"}
    finally:
        assert converge(platform.outputs, check=False, tags="gateway").ok
    assert_nothing_was_lost(seen)


def test_a_changed_limit_restarts_nothing_and_loses_no_request(platform: Platform, edge: Edge, server: Server) -> None:
    before = starts(platform, server)
    changed = {"gateway_requests_per_minute": 5999, "nginx_requests_per_second": 999}
    try:
        with posting(edge, PATHS["gateway"], platform.outputs["secrets"]["service_role_key"]) as seen:
            result = converge(platform.outputs, check=False, variables=changed)
        assert result.ok
        assert {entry["role"] for entry in result.drift} == {"gateway", "nginx"}
        assert restarted(before, starts(platform, server)) == set()
    finally:
        assert converge(platform.outputs, check=False, tags="gateway,nginx").ok
    assert_nothing_was_lost(seen)
