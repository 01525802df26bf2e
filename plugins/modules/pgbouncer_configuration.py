#!/usr/bin/python
"""The configuration of PgBouncer, on disk and as the running pooler has it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: pgbouncer_configuration
short_description: The configuration of PgBouncer, on disk and in the running pooler
description:
  - Renders pgbouncer.ini from data. Before a change lands, a scratch pooler starts with it.
  - Reloads when a file is newer than the last reload, which no client notices. Nothing depends on a handler, so a run
    that was cut off is made good by the next.
  - Does not restart. RV(restart_required) says when that is needed, RV(pending_restart) for which settings.
options:
  directory: {type: path, required: true, description: "Where the files are."}
  settings: {type: dict, required: true, description: "Section pgbouncer."}
  databases: {type: dict, required: true, description: "Section databases: connection options by name."}
  watch: {type: list, elements: path, default: [], description: "Further files the pooler reads at a reload."}
author: The platform's maintainers
"""

HEADER = "; Managed by Ansible (role pgbouncer): edits are replaced by the next run.\n"
STAMP = Path("/run/pgbouncer-reloaded")
UNIT = "pgbouncer.service"
REHEARSAL_SECONDS = 30


def render(settings: Mapping[str, object], databases: Mapping[str, Mapping[str, object]]) -> str:
    """pgbouncer.ini, each section in alphabetical order."""
    lines = ["[databases]"]
    for name in sorted(databases):
        options = databases[name]
        lines.append(f"{name} = " + " ".join(f"{option}={options[option]}" for option in sorted(options)))
    lines += ["", "[pgbouncer]"]
    lines += [f"{name} = {settings[name]}".rstrip() for name in sorted(settings)]
    return HEADER + "".join(f"{line}\n" for line in lines)


def rehearse(settings: Mapping[str, object], databases: Mapping[str, Mapping[str, object]]) -> str:
    """Start a scratch pooler with a new file; what it says against it, or nothing."""
    owner = pwd.getpwnam("postgres")
    scratch = Path(tempfile.mkdtemp(prefix="pgbouncer-rehearsal-"))
    try:
        overrides = {"listen_addr": "", "unix_socket_dir": scratch, "pidfile": ""}
        (scratch / "pgbouncer.ini").write_text(render({**settings, **overrides}, databases))
        for path in [scratch, *scratch.iterdir()]:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        with (scratch / "log").open("w+") as log:
            pooler = subprocess.Popen(
                ["runuser", "-u", "postgres", "--", "pgbouncer", scratch / "pgbouncer.ini"],
                stdout=log,
                stderr=log,
                cwd="/",
            )
            deadline = time.monotonic() + REHEARSAL_SECONDS
            socket = scratch / f".s.PGSQL.{settings['listen_port']}"
            while pooler.poll() is None and not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            started = pooler.poll() is None and socket.exists()
            if pooler.poll() is None:
                pooler.terminate()
                pooler.wait()
            log.seek(0)
            said = log.read().replace(str(scratch), "...")
        return "" if started and " ERROR " not in said else said or "it did not start, and said nothing"
    finally:
        shutil.rmtree(scratch)


def write(path: Path, content: str) -> None:
    """Put a file in its place whole."""
    owner = pwd.getpwnam("postgres")
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    scratch = Path(tempfile.mkstemp(dir=path.parent)[1])
    scratch.write_text(content)
    os.chown(scratch, owner.pw_uid, owner.pw_gid)
    scratch.chmod(0o640)
    scratch.rename(path)


def main_process(module: AnsibleModule) -> int | None:
    """The running pooler, if there is one."""
    _, out, _ = module.run_command(["systemctl", "show", "--property=MainPID", "--value", UNIT])
    return int(out.strip() or 0) or None


def started_at(pid: int) -> float:
    """When a process started."""
    return Path("/proc", str(pid)).stat().st_mtime


def needs_restart(module: AnsibleModule, settings: Mapping[str, object]) -> list[str]:
    """Settings that the running pooler has otherwise and takes at a start only."""
    console = ["runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--tuples-only", "--no-align"]
    console += ["--host=/var/run/postgresql", f"--port={settings['listen_port']}", "--username=pgbouncer", "pgbouncer"]
    code, out, _ = module.run_command([*console, "--command=show config"], cwd="/")
    if code:
        return ["listen_port"]
    live = {cells[0]: cells for line in out.splitlines() if len(cells := line.split("|")) == 4}
    return sorted(
        name
        for name, value in settings.items()
        if name in live and live[name][3] == "no" and live[name][1] != str(value)
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "settings": {"type": "dict", "required": True},
            "databases": {"type": "dict", "required": True},
            "watch": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    settings, databases = module.params["settings"], module.params["databases"]
    ini = Path(module.params["directory"], "pgbouncer.ini")
    wanted = render(settings, databases)
    present = ini.read_text() if ini.exists() else ""
    edited = present != wanted
    done = [f"{ini} changed"] if edited else []

    if edited and not module.check_mode:
        refused = rehearse(settings, databases)
        if refused:
            module.fail_json(msg=f"PgBouncer refuses this configuration; nothing was changed.\n{refused}")
        write(ini, wanted)

    pid = main_process(module)
    restart: list[str] = []
    if pid is not None:
        read_at = max(started_at(pid), STAMP.stat().st_mtime if STAMP.exists() else 0)
        watched = [ini, *(Path(path) for path in module.params["watch"])]
        if any(path.exists() and path.stat().st_mtime > read_at for path in watched):
            done += ["a file is newer than what the pooler read"] if not edited else []
            if not module.check_mode:
                os.kill(pid, signal.SIGHUP)
                STAMP.touch()
        restart = needs_restart(module, settings)

    module.exit_json(
        changed=bool(done or restart),
        msg="; ".join(done) + (f"; restart needed for {', '.join(restart)}" if restart else ""),
        diff={"before": present, "after": wanted},
        restart_required=bool(restart),
        pending_restart=restart,
    )


if __name__ == "__main__":
    main()
