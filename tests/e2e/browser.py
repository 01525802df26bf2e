"""A real browser, headless, in a container beside the platform: it asks the sandbox's DNS and trusts its authority."""

import base64
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ops.stack import ROOT
from sandbox import home, image
from sandbox.docker import docker, remove_container
from sandbox.network import public_network
from tests.e2e.platform import Platform

# What a run saw, for people to look at.
SCREENSHOTS = ROOT / ".cache" / "screenshots"
DRIVER_PORT = 9515
START_SECONDS = 30
PATIENCE_SECONDS = 60
WINDOW = "1280,1400"


@dataclass(frozen=True)
class Browser:
    """One window, driven by the WebDriver protocol."""

    address: str
    session: str

    def open(self, name: str, path: str, user: str = "", password: str = "") -> None:
        """Go to a page as if the address was typed, with a name and a password where the page asks for them."""
        who = f"{quote(user)}:{quote(password, safe='')}@" if user else ""
        self._command("POST", "/url", {"url": f"https://{who}{name}{path}"})

    def run(self, script: str) -> Any:
        """What a line of JavaScript returns in the page."""
        return self._command("POST", "/execute/sync", {"script": script, "args": []})

    @property
    def status(self) -> int:
        """The status that the page came with."""
        return int(self.run("return performance.getEntriesByType('navigation')[0].responseStatus"))

    @property
    def place(self) -> str:
        """Where the window is."""
        return str(self._command("GET", "/url"))

    @property
    def title(self) -> str:
        """The window's title."""
        return str(self._command("GET", "/title"))

    def texts(self, selector: str) -> list[str]:
        """What a person reads in every element that fits."""
        found: list[str] = self.run(
            f"return [...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)"
        )
        return found

    def follow(self, text: str) -> None:
        """Click the link with this text."""
        (element,) = self._command("POST", "/element", {"using": "link text", "value": text}).values()
        self._command("POST", f"/element/{element}/click", {})

    def complaints(self) -> list[str]:
        """What the browser says went wrong since it was asked last: what was blocked, missing or failed."""
        entries = self._command("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

    def screenshot(self, name: str) -> Path:
        """Save what the window shows."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(self._command("GET", "/screenshot")))
        return path

    def _command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return command(self.address, method, f"/session/{self.session}{path}", body)


def command(address: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One command to the driver; its value, or what the driver says against it."""
    connection = http.client.HTTPConnection(address, DRIVER_PORT, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        value = json.load(answer)["value"]
    finally:
        connection.close()
    assert answer.status == 200, f"the browser: {value['error']}: {value['message']}"
    return value


@contextmanager
def browser(platform: Platform) -> Iterator[Browser]:
    """A browser for as long as the block runs."""
    sandbox = home.current()
    network, subnet = public_network(sandbox)
    name = sandbox.name("test", "browser")
    remove_container(name)
    docker(
        "run", "--detach", "--name", name, "--label", sandbox.label, "--network", network,
        "--dns", str(platform.stack.nameserver), "--volume", f"{platform.stack.ca_file}:/roots.pem:ro",
        "--shm-size", "512m", image.build("browser"), "browse", "/roots.pem", str(DRIVER_PORT), str(subnet[1]),
    )  # fmt: skip
    try:
        address = docker(
            "inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}', name
        )
        _wait_for(address, name)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-quic", f"--window-size={WINDOW}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = command(address, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        yield Browser(address, made["sessionId"])
    finally:
        remove_container(name)


def _wait_for(address: str, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if command(address, "GET", "/status")["ready"]:
                return
        except OSError as problem:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"the browser's driver does not answer: {problem}; {docker('logs', name)}"
                ) from None
        time.sleep(0.2)
