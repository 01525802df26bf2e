"""Pebble, the certificate authority that answers ACME as Let's Encrypt does."""

import json
import time
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError

from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.network import public_network, service_address
from sandbox.services import ca, container

PORT = 14000
_MANAGEMENT_PORT = 15000
_FOLDER = "/srv/acme"
_ROOT_SECONDS = 20


def ensure(home: Home) -> None:
    """Start Pebble unless it runs, and keep its root. It looks names up at the sandbox's DNS server."""
    folder = home.services / "acme"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    public_network(home)
    ca.issue(home, service_address(home, "acme"), folder / "server.crt", folder / "server.key")
    configuration = {
        "listenAddress": f"0.0.0.0:{PORT}",
        "managementListenAddress": f"0.0.0.0:{_MANAGEMENT_PORT}",
        "certificate": f"{_FOLDER}/server.crt",
        "privateKey": f"{_FOLDER}/server.key",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": configuration}))
    container.ensure(
        home,
        "acme",
        PORT,
        # It would refuse one good nonce in twenty, and Certbot gives up at the second in a row.
        ["--volume", f"{folder}:{_FOLDER}:ro", "--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_WFE_NONCEREJECT=0"],
        ["pebble", "-config", f"{_FOLDER}/pebble.json", "-dnsserver", f"{service_address(home, 'dns')}:53"],
    )
    _keep_root(home)


def roots_file(home: Home) -> Path:
    """What clients of the platform trust: every root that this sandbox's Pebble has had.

    It makes a new one whenever it starts, and a certificate outlives that.
    """
    return home.services / "acme" / "roots.pem"


def _keep_root(home: Home) -> None:
    url = f"https://{service_address(home, 'acme')}:{_MANAGEMENT_PORT}/roots/0"
    deadline = time.monotonic() + _ROOT_SECONDS
    with urllib3.PoolManager(ca_certs=str(ca.ca_file(home)), retries=False, timeout=5) as pool:
        while True:
            try:
                answer = pool.request("GET", url)
                break
            except HTTPError as error:
                if time.monotonic() > deadline:
                    raise SandboxError(f"{url} does not answer: {error}") from None
                time.sleep(0.1)
    root, path = answer.data.decode().strip() + "\n", roots_file(home)
    if answer.status != 200 or "BEGIN CERTIFICATE" not in root:
        raise SandboxError(f"{url} answered {answer.status} instead of a certificate")
    kept = path.read_text() if path.exists() else ""
    if root not in kept:
        path.write_text(kept + root)


def directory_url(home: Home) -> str:
    """The URL that ACME clients are given."""
    return f"https://{service_address(home, 'acme')}:{PORT}/dir"
