"""`make status`: every component with version, real or stand-in, address and health, asked now."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra import components
from infra.secrets import BACKUP_KEY
from ops.connect import Server
from ops.stack import Stack
from ops.table import table

SANDBOX_NOTE = """
The cloud under it is a stand-in for DigitalOcean: droplets are containers, volumes are loop devices, alerts are
recorded but never run. DNS (nsd), object storage (MinIO), ACME (Pebble) and mail (aiosmtpd) are real servers
beside it."""

ROTATED_AS = {"backup_access_key": BACKUP_KEY, "backup_secret_key": BACKUP_KEY}

# Runs on the server, as root, with the question on standard input: one connection asks for all components.
PROBE = """
import json, socket, subprocess, sys, urllib.error, urllib.request
def active(unit):
    done = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True)
    return done.stdout.strip()
def answers(check):
    try:
        if check["http"]:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (check["port"], check["http"]), timeout=5):
                return True
        with socket.create_connection(("127.0.0.1", check["port"]), timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False
def state(check):
    unit = active(check["unit"])
    return unit if unit != "active" else "healthy" if answers(check) else "no answer"
print(json.dumps({check["name"]: state(check) for check in json.load(sys.stdin)}))
"""


def component_rows(outputs: dict[str, Any]) -> list[dict[str, str]]:
    """One row per installed component: component, version, kind, url, health, and what a stand-in is."""
    installed = [row for row in components.load().of_phase(int(outputs["phase"])) if not row.planned]
    question = [
        {"name": row.name, "unit": row.unit, "port": row.port(row.health_port), "http": row.health_http}
        for row in installed
    ]
    with Server(outputs) as server:
        health = json.loads(server.python(PROBE, json.dumps(question)))
    audited = {entry["name"]: entry for entry in outputs["audit"]["server"]["components"]}
    return [
        {**identity(row.title, audited.get(row.name)), "url": _address(row, outputs), "health": health[row.name]}
        for row in installed
    ]


def identity(title: str, audited: Mapping[str, Any] | None) -> dict[str, str]:
    """Which program answers as a component, from the audit's row: a stand-in is never called by the real one's name."""
    if audited is None:
        return {"component": title, "version": "unknown", "kind": "unknown", "stand_in": ""}
    if audited["stand_in"]:
        shown = {"component": f"stand-in for {title}", "version": "none", "kind": "stand-in"}
        return {**shown, "stand_in": audited["stand_in"]}
    return {"component": title, "version": audited["version"] or "unknown", "kind": "real", "stand_in": ""}


def _address(row: components.Component, outputs: dict[str, Any]) -> str:
    port = row.ports[0]
    if "" in row.vhosts:
        return f"https://{outputs['domain']}"
    if port.bind == "public":
        return f"{outputs['domain']}:{port.number}"
    return f"127.0.0.1:{port.number} on the server"


def secret_rows(outputs: dict[str, Any], now: datetime) -> list[list[str]]:
    """One row per secret that is due for something: its name, what is due, since when and the command."""
    rows = []
    for entry in outputs["audit"]["secrets"]:
        name = ROTATED_AS.get(entry["name"], entry["name"])
        if entry["due_at"] and datetime.fromisoformat(entry["due_at"]) <= now:
            rows.append([name, "a new value", entry["due_at"], f"make rotate SECRET={name}"])
        if entry["previous"]:
            due = entry["previous"]["finish_by"]
            rows.append([name, "the end of the one before", due, f"make rotate SECRET={name} FINISH=1"])
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def show_status(stack: Stack, outputs: dict[str, Any], form: str) -> None:
    """Print the rows as a table or as JSON."""
    rows = component_rows(outputs)
    secrets = secret_rows(outputs, datetime.now(UTC))
    if form == "json":
        document = {
            "stack": stack.name,
            "phase": outputs["phase"],
            "address": outputs["address"],
            "components": rows,
            "secrets_due": [dict(zip(("name", "due", "at", "run"), row, strict=True)) for row in secrets],
        }
        print(json.dumps(document, indent=2))
        return
    header = ["component", "version", "kind", "url", "health"]
    print(f"\n{stack.name}: phase {outputs['phase']}, {outputs['domain']} at {outputs['address']}\n")
    print(table(header, [[row[column] for column in header] for row in rows]))
    stand_ins = list(dict.fromkeys(row["stand_in"] for row in rows if row["stand_in"]))
    if stand_ins:
        print("\n" + "\n".join(["Stand-ins, where no image is in reach:", *(f"  {line}" for line in stand_ins)]))
    if secrets:
        print("\n" + table(["secret", "due", "at", "run"], secrets))
    if stack.is_sandbox:
        print(SANDBOX_NOTE)
