"""A restore is rehearsed beside the running platform: nobody notices, and the audit tells of it."""

import json
import time
from typing import Any

import jsonschema

from ops.connect import Server
from ops.stack import ROOT
from tests.e2e.platform import Platform
from tests.e2e.test_rerun import querying

STATE = "/var/lib/supabase-platform/backup"
SCRATCH = "/srv/data/restore-drill"


def exported_history(platform: Platform) -> dict[str, Any]:
    """The history in the stack's export, where the last refresh left it."""
    export = json.loads(platform.stack.read("stack", "export"))
    (server,) = [row for row in export["deployment"]["resources"] if row["type"].endswith(":Configure")]
    history: dict[str, Any] = json.loads(server["outputs"]["server_history"])
    return history


def newest_moment(server: Server) -> str:
    """Write a marker and have it archived at once, instead of within the minute that it may take."""
    server.run("systemctl start supabase-backup-marker.service")
    server.run("sudo -u postgres pgbackrest --stanza=main check")
    return str(json.loads(server.run(f"tail --lines=1 {STATE}/ledger.jsonl"))["name"])


def test_a_drill_disturbs_nobody_and_reaches_the_audit(platform: Platform, server: Server) -> None:
    from ops.restore_drill import restore_drill

    started = server.run("sudo -u postgres psql -Atc 'select pg_postmaster_start_time()'")
    name = newest_moment(server)
    with querying(platform, server) as client:
        began = time.monotonic()
        restore_drill(platform.stack, name)
        seconds = time.monotonic() - began
    assert not client.errors
    assert client.queries > 100, "the client hardly ran, so its silence proves nothing"
    assert seconds < 90, "the wait for the archive alone may take 60"
    assert server.run("sudo -u postgres psql -Atc 'select pg_postmaster_start_time()'") == started
    assert server.run(f"ls -A {SCRATCH}") == ""
    timers = "supabase-restore-drill.timer supabase-backup-marker.timer"
    assert server.run(f"systemctl is-active {timers}") == "active\nactive"

    seen = platform.pulumi("refresh", "--yes", "--skip-preview")
    assert seen.code == 0, seen.text
    history = exported_history(platform)
    drill = history["drills"][-1]
    assert (drill["target"]["name"], drill["result"], drill["differences"]) == (name, "passed", [])
    assert 0 < drill["rpo_seconds"] < 90
    assert drill["verified"].endswith(" migrations")
    assert drill["backup"] in {backup["label"] for backup in history["backups"]}
    schema = json.loads((ROOT / "schemas" / "audit.schema.json").read_text())
    jsonschema.validate(history, {"$ref": "#/$defs/history", "$defs": schema["$defs"]})

    again = platform.up()
    assert set(again.summary) == {"unchanged"}, again.text
    assert platform.now()["audit"]["history"]["drills"][-1] == drill


def test_an_unknown_moment_is_refused_with_the_range(platform: Platform, server: Server) -> None:
    import pytest

    from ops.errors import OperatorError
    from ops.restore_drill import restore_drill

    before = server.run(f"cat {STATE}/drills.jsonl")
    with pytest.raises(OperatorError, match="did not pass"):
        restore_drill(platform.stack, "marker-of-nobody")
    said = server.run("journalctl --quiet --output=cat --unit='supabase-restore-drill@marker-of-nobody' --lines=20")
    assert "the ledger knows no moment marker-of-nobody; restorable are" in said
    assert server.run(f"cat {STATE}/drills.jsonl") == before
    server.run("systemctl reset-failed 'supabase-restore-drill@marker-of-nobody'")
