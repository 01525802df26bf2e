"""Runs a service as a container at a fixed address of the public network."""

import socket
import time

from sandbox import image
from sandbox.docker import docker, is_running, remove_container
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.network import public_network, service_address
from sandbox.state import State

_START_TIMEOUT_SECONDS = 120


def ensure(
    home: Home, service: str, port: int, options: list[str], command: list[str], *, image_name: str = "services"
) -> str:
    """Start a service unless it runs, and wait until its port answers; returns its address."""
    network, _ = public_network(home)
    name, address = home.name("service", service), service_address(home, service)
    with State(home).locked(f"service-{service}"):
        if not is_running(name):
            remove_container(name)
            docker(
                "run",
                "--detach",
                "--name",
                name,
                "--hostname",
                service,
                "--label",
                home.label,
                "--restart",
                "always",
                "--network",
                network,
                "--ip",
                address,
                *options,
                image.build(image_name),
                *command,
            )
        _wait_for(address, port, name)
    return address


def remove(home: Home, service: str) -> None:
    """Stop and remove a service."""
    remove_container(home.name("service", service))


def _wait_for(address: str, port: int, name: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{name} does not answer at {address}:{port}: {error}; see: docker logs {name}"
                ) from None
            time.sleep(0.1)
