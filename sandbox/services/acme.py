"""Pebble, the certificate authority that answers ACME as Let's Encrypt does."""

import json

from sandbox.home import Home
from sandbox.network import public_network, service_address
from sandbox.services import ca, container

PORT = 14000
_MANAGEMENT_PORT = 15000
_FOLDER = "/srv/acme"


def ensure(home: Home) -> None:
    """Start Pebble unless it runs. It looks names up at the sandbox's DNS server."""
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
        ["--volume", f"{folder}:{_FOLDER}:ro", "--env", "PEBBLE_VA_NOSLEEP=1"],
        ["pebble", "-config", f"{_FOLDER}/pebble.json", "-dnsserver", f"{service_address(home, 'dns')}:53"],
    )


def directory_url(home: Home) -> str:
    """The URL that ACME clients are given."""
    return f"https://{service_address(home, 'acme')}:{PORT}/dir"
