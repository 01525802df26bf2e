"""What is changed by hand is seen by `pulumi refresh` and repaired by `pulumi up`, and nothing else is touched."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ops.connect import Server
from ops.stack import ROOT
from tests.e2e.platform import Platform


@dataclass(frozen=True)
class ByHand:
    """One change made by hand: how, the role that must notice it, and what the server says once it is repaired."""

    name: str
    change: str
    role: str
    ask: str
    repaired: Callable[[str], bool]


CHANGES = [
    ByHand(
        "a changed PostgreSQL setting",
        """sudo -u postgres psql -qc "alter system set work_mem = '1234kB'" -c 'select pg_reload_conf()' >/dev/null""",
        "postgresql",
        "sudo -u postgres psql -Atc 'show work_mem'",
        lambda seen: seen != "1234kB",
    ),
    ByHand(
        "an extra UFW rule",
        "ufw allow 9999/tcp >/dev/null",
        "firewall",
        "ufw status",
        lambda seen: "9999" not in seen and "Status: active" in seen,
    ),
    ByHand(
        "a stopped service",
        "systemctl stop pgbouncer",
        "pgbouncer",
        "systemctl is-active pgbouncer || true",
        lambda seen: seen == "active",
    ),
    ByHand(
        "an edited setting of the edge",
        "sed -i 's/server_tokens off/server_tokens on/' /etc/nginx/nginx.conf; systemctl reload nginx",
        "nginx",
        "curl --silent --head --header 'Host: supabase.test' http://127.0.0.1 | grep -i '^server:'",
        lambda seen: "/" not in seen,
    ),
    ByHand(
        "an edited unit",
        "echo '# by hand' >> /etc/systemd/system/srv-data.mount; systemctl daemon-reload",
        "volume",
        "grep -c 'by hand' /etc/systemd/system/srv-data.mount || true",
        lambda seen: seen == "0",
    ),
]


def drifted_roles(platform: Platform) -> set[str]:
    """The roles of the drift that the last refresh recorded in the state."""
    export = json.loads(platform.stack.read("stack", "export"))
    (server,) = [row for row in export["deployment"]["resources"] if row["type"].endswith(":Configure")]
    return {entry["role"] for entry in server["outputs"]["drift"]}


def delete_dns_record(platform: Platform, label: str) -> None:
    """As somebody would in the control panel."""
    sandbox = [sys.executable, "-m", "sandbox"]
    listed = json.loads(subprocess.check_output([*sandbox, "list"], cwd=ROOT, env=platform.stack.environment))
    (ident,) = [ident for ident, record in listed["dns_records"].items() if record["name"] == label]
    subprocess.run([*sandbox, "delete", "dns_records", ident], cwd=ROOT, env=platform.stack.environment, check=True)


def test_hand_made_changes_are_seen_and_repaired(platform: Platform, server: Server) -> None:
    for by_hand in CHANGES:
        server.run(by_hand.change)
    delete_dns_record(platform, "api")

    seen = platform.pulumi("refresh", "--yes", "--skip-preview")
    assert seen.code == 0, seen.text
    assert seen.summary.get("deleted") == 1, seen.text
    assert drifted_roles(platform) == {by_hand.role for by_hand in CHANGES}
    for by_hand in CHANGES:
        assert not by_hand.repaired(server.run(by_hand.ask)), f"refresh repaired {by_hand.name}; it must only look"

    repaired = platform.up()
    assert repaired.code == 0, repaired.text
    assert (repaired.summary.get("updated"), repaired.summary.get("created")) == (1, 1), repaired.text
    for by_hand in CHANGES:
        assert by_hand.repaired(server.run(by_hand.ask)), by_hand.name
    assert drifted_roles(platform) == set()

    again = platform.up()
    assert set(again.summary) == {"unchanged"}, again.text
