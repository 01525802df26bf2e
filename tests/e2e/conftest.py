"""The running sandbox platform that these tests look at; `make up PHASE=1` brings it up."""

import sys
from collections.abc import Iterator

import pytest

from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import SANDBOX, Stack
from tests.e2e.edge import Edge, edge_of
from tests.e2e.platform import Platform


@pytest.fixture(scope="session")
def platform() -> Platform:
    stack = Stack(SANDBOX)
    try:
        return Platform(stack, stack.outputs())
    except OperatorError as error:
        pytest.fail(f"the end-to-end tests need the running platform (make up PHASE=1): {error}")


@pytest.fixture(scope="session")
def edge(platform: Platform) -> Edge:
    return edge_of(platform)


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform.outputs) as connected:
        yield connected


# It promotes the platform, and the other files look at the phase that they were given.
LAST = "test_sync.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == LAST)
    for item in items:
        item.add_marker("e2e")
    if not items:
        sys.exit("tests/e2e collected nothing")
