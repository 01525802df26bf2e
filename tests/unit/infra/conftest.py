"""A Pulumi program under mocks: what it declares, recorded, with the runtime's settings restored afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.stack import run_pulumi_func

from infra.config import StackConfig, parse
from infra.secrets import create
from infra.stack import build

BASE = {
    "supabase-platform:domain": "supabase.example.com",
    "supabase-platform:ssh_allowed_cidrs": '["203.0.113.7/32"]',
    "supabase-platform:alert_email": "ops@example.com",
}
MAIL = {"smtp_host": "mail.example.com", "smtp_sender": "no-reply@example.com"}
ODOO = {"odoo_url": "https://odoo.example.com", "odoo_database": "live", "odoo_api_key": "0d00" * 10}
ACCESS_KEY = "DO00EXAMPLE000000001"
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def config(**keys: str) -> StackConfig:
    """A valid configuration with some keys changed."""
    return parse(BASE | {f"supabase-platform:{key}": value for key, value in keys.items()})


@dataclass(frozen=True)
class Declared:
    """One resource as the engine hears of it."""

    type: str
    name: str
    inputs: dict[str, Any]
    secret_inputs: frozenset[str]
    request: Any


class Cloud(mocks.Mocks):
    """Answers like the providers do."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        outputs = _plain(args.inputs)
        match args.typ:
            case "digitalocean:index/droplet:Droplet":
                return "7", outputs | {"ipv4AddressPrivate": "10.110.0.2", "dropletUrn": "do:droplet:7"}
            case "digitalocean:index/reservedIp:ReservedIp":
                outputs |= {"ipAddress": "192.0.2.10", "reservedIpUrn": "do:reservedip:192.0.2.10"}
            case "digitalocean:index/spacesBucket:SpacesBucket":
                outputs |= {"endpoint": "fra1.digitaloceanspaces.com"}
            case "digitalocean:index/spacesKey:SpacesKey":
                outputs |= {"accessKey": ACCESS_KEY, "createdAt": "2026-01-02T03:04:05Z"}
                outputs["secretKey"] = pulumi.Output.secret("spaces" * 7)
            case "pulumi-python:dynamic/platform:Secret" | "pulumi-python:dynamic/platform:SshKeyPair":
                outputs |= create(outputs, MADE)
                # The engine marks what the resource's additional_secret_outputs name.
                outputs["value"] = pulumi.Output.secret(outputs["value"])
            case "pulumi-python:dynamic/platform:Configure":
                outputs |= {"drift": [], "server_audit": None, "converged": None}
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        raise AssertionError(f"the program must not look anything up, and called {args.token}")


class Monitor(mocks.MockMonitor):
    """Remembers every registration with its options."""

    def __init__(self) -> None:
        super().__init__(Cloud())
        self.declared: dict[str, Declared] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's name
        if request.custom:
            secret = {key for key, value in request.object.fields.items() if _is_secret(value)}
            self.declared[request.name] = Declared(
                request.type,
                request.name,
                _plain(rpc.deserialize_properties(request.object)),
                frozenset(secret),
                request,
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _plain(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: rpc.unwrap_rpc_secret(value) for key, value in inputs.items()}


def _is_secret(value: Any) -> bool:
    marker = value.struct_value.fields.get(rpc._special_sig_key)
    return marker is not None and marker.string_value == rpc._special_secret_sig


@dataclass(frozen=True)
class Program:
    """What one run of the program declared and returned."""

    declared: dict[str, Declared]
    outputs: dict[str, Any]
    secret_outputs: frozenset[str]

    def of_type(self, suffix: str) -> list[Declared]:
        return [row for row in self.declared.values() if row.type.endswith(suffix)]


type Run = Callable[[StackConfig], Program]


async def _declare(chosen: StackConfig) -> Program:
    monitor = Monitor()
    mocks.set_mocks(monitor.mocks, project="supabase-platform", stack="test", monitor=monitor)
    outputs: dict[str, pulumi.Output[Any]] = {}

    def program() -> None:
        outputs.update({name: pulumi.Output.from_input(value) for name, value in build(chosen).items()})

    await run_pulumi_func(program)
    values = {name: await output.future() for name, output in outputs.items()}
    secret = frozenset([name for name, output in outputs.items() if await output.is_secret()])
    return Program(monitor.declared, values, secret)


@pytest.fixture
def run() -> Iterator[Run]:
    """Run the program under mocks."""
    before = settings.SETTINGS
    loops: list[asyncio.AbstractEventLoop] = []

    def give_loop() -> None:
        # The mocks would make a loop for each thread and leave it open.
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(initializer=give_loop))
        yield lambda chosen: runner.run(_declare(chosen))
    for loop in loops:
        loop.close()
    settings.configure(before)
