#!/usr/bin/python
"""The configuration of a PostgreSQL cluster, on disk and as the running server has it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: postgresql_configuration
short_description: The configuration of a PostgreSQL cluster, on disk and in the running server
description:
  - Renders postgresql.conf, pg_hba.conf and pg_ident.conf from data. Before a change lands, a scratch cluster starts
    with it; what the server refuses never reaches the real one.
  - Removes what C(alter system) left, and reloads when a file is newer than what the server last read. Nothing depends
    on a handler, so a run that was cut off is made good by the next.
  - Does not restart. RV(restart_required) says when that is needed, RV(pending_restart) for which settings, and
    RV(running) whether there is a server to restart.
options:
  version: {type: str, required: true, description: "Major version."}
  directory: {type: path, required: true, description: "Where the three files are."}
  settings: {type: dict, required: true, description: "Settings of postgresql.conf."}
  optional: {type: list, elements: str, default: [], description: "Settings to leave out where the server lacks them."}
  hba: {type: list, elements: dict, required: true, description: "Rows of pg_hba.conf."}
  ident: {type: list, elements: dict, default: [], description: "Rows of pg_ident.conf."}
  watch: {type: list, elements: path, default: [], description: "Further files the server reads at a reload."}
author: The platform's maintainers
"""

HEADER = "# Managed by Ansible (role postgresql): edits are replaced by the next run.\n"
REHEARSAL_SECONDS = 60
RELOAD_SECONDS = 30


def quoted(value: object) -> str:
    """A value as postgresql.conf takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def render_settings(settings: Mapping[str, object]) -> str:
    """postgresql.conf, in alphabetical order."""
    return HEADER + "".join(f"{name} = {quoted(settings[name])}\n" for name in sorted(settings))


def render_hba(rows: Sequence[Mapping[str, str]]) -> str:
    """pg_hba.conf; the first row that fits a connection decides."""
    lines = []
    for row in rows:
        cells = [
            row["type"],
            row["database"],
            row["user"],
            row.get("address", ""),
            row["method"],
            row.get("options", ""),
        ]
        lines.append("\t".join(cell for cell in cells if cell))
    return HEADER + "".join(f"{line}\n" for line in lines)


def render_ident(rows: Sequence[Mapping[str, str]]) -> str:
    """pg_ident.conf: which user of the system may be which role."""
    return HEADER + "".join(f"{row['map']}\t{row['system']}\t{row['role']}\n" for row in rows)


class Cluster:
    """One cluster's files and server."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.version = str(module.params["version"])
        self.directory = Path(module.params["directory"])
        self.user = pwd.getpwnam("postgres") if _has_user("postgres") else None

    @property
    def binaries(self) -> Path:
        """Where this version's programs are."""
        return Path("/usr/lib/postgresql", self.version, "bin")

    def knows(self, setting: str) -> bool:
        """Whether the installed server has a setting."""
        if not (self.binaries / "postgres").exists():
            return False
        done = subprocess.run(
            [self.binaries / "postgres", "--describe-config"], capture_output=True, text=True, check=False
        )
        return any(line.split("\t", 1)[0] == setting for line in done.stdout.splitlines())

    def wanted(self) -> dict[Path, str]:
        """The declared content of each file."""
        settings = dict(self.module.params["settings"])
        for name in self.module.params["optional"]:
            if name in settings and not self.knows(name):
                del settings[name]
        return {
            self.directory / "postgresql.conf": render_settings(settings),
            self.directory / "pg_hba.conf": render_hba(self.module.params["hba"]),
            self.directory / "pg_ident.conf": render_ident(self.module.params["ident"]),
            self.directory / "start.conf": "auto\n",
        }

    def postmaster(self) -> int | None:
        """The running server's process, if there is one."""
        pid_file = Path(self.module.params["settings"]["data_directory"], "postmaster.pid")
        try:
            pid = int(pid_file.read_text().splitlines()[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return None
        return pid

    def connect(self) -> Any:
        """A superuser's session over the socket; root may be postgres by pg_ident.conf."""
        import psycopg  # noqa: PLC0415 - absent before the packages are installed

        return psycopg.connect(
            host=str(self.module.params["settings"]["unix_socket_directories"]).split(",", maxsplit=1)[0],
            port=self.module.params["settings"]["port"],
            user="postgres",
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
            application_name="ansible",
        )

    def session(self, pid: int | None, edited: Mapping[Path, str]) -> Any:
        """A session, or nothing: no server runs, or its files keep root out until they are repaired."""
        if pid is None:
            return None
        try:
            return self.connect()
        except Exception as error:  # noqa: BLE001 - psycopg may be absent, so its exceptions cannot be named
            if not edited:
                self.module.fail_json(msg=f"PostgreSQL runs but lets root in no more: {error}")
            return None

    def write(self, files: Mapping[Path, str]) -> None:
        """Put each file in its place whole."""
        assert self.user is not None  # noqa: S101 - the packages are installed by now
        for parent in [self.directory.parent, self.directory]:
            parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            os.chown(parent, self.user.pw_uid, self.user.pw_gid)
        for path, content in files.items():
            scratch = Path(tempfile.mkstemp(dir=self.directory)[1])
            scratch.write_text(content)
            scratch.chmod(0o640 if path.name.startswith("pg_") else 0o644)
            os.chown(scratch, self.user.pw_uid, self.user.pw_gid)
            scratch.rename(path)

    def rehearse(self, files: Mapping[Path, str]) -> str:
        """Start a scratch cluster with new files; what the server says against them, or nothing."""
        assert self.user is not None  # noqa: S101
        scratch = Path(tempfile.mkdtemp(prefix="rehearsal-", dir="/var/lib/postgresql"))
        try:
            return self._rehearse_in(scratch, files)
        finally:
            shutil.rmtree(scratch)

    def _rehearse_in(self, scratch: Path, files: Mapping[Path, str]) -> str:
        data, log = scratch / "data", scratch / "log"
        for path, content in files.items():
            (scratch / path.name).write_text(content)
        overrides = {
            "data_directory": str(data),
            "hba_file": str(scratch / "pg_hba.conf"),
            "ident_file": str(scratch / "pg_ident.conf"),
            "external_pid_file": "",
            "listen_addresses": "",
            "unix_socket_directories": str(scratch),
            "log_destination": "stderr",
            "logging_collector": False,
            "archive_mode": "off",
        }
        with (scratch / "postgresql.conf").open("a") as conf:
            conf.write(render_settings(overrides))
        for path in [scratch, *scratch.iterdir()]:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)  # type: ignore[union-attr]
        made = self._as_postgres("initdb", "--no-sync", "--auth=peer", "--username=postgres", f"--pgdata={data}")
        if made.returncode:
            return f"the scratch cluster could not be made: {made.stdout}{made.stderr}"
        started = self._as_postgres(
            *("pg_ctl", "start", "--wait", f"--timeout={REHEARSAL_SECONDS}", f"--pgdata={data}", f"--log={log}"),
            f"--options=-c config_file={scratch / 'postgresql.conf'}",
        )
        if started.returncode:
            return (log.read_text() if log.exists() else started.stdout + started.stderr).replace(str(scratch), "...")
        self._as_postgres("pg_ctl", "stop", "--mode=immediate", f"--pgdata={data}")
        return ""

    def _as_postgres(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["runuser", "-u", "postgres", "--", self.binaries / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )

    def signal_reload(self, pid: int) -> None:
        """Have the server read its files again, and wait until it has."""
        began = time.time()
        os.kill(pid, signal.SIGHUP)
        deadline = time.monotonic() + RELOAD_SECONDS
        problem = ""
        while time.monotonic() < deadline:
            try:
                with self.connect() as session:
                    if loaded_at(session) >= began:
                        return
            except Exception as error:  # noqa: BLE001 - psycopg's, until the server has read the new pg_hba.conf
                problem = f": {error}"
            time.sleep(0.05)
        self.module.fail_json(
            msg=f"PostgreSQL did not read its configuration within {RELOAD_SECONDS} s{problem}; see its log"
        )


def _has_user(name: str) -> bool:
    return any(user.pw_name == name for user in pwd.getpwall())


def settings_by_hand(session: Any) -> list[str]:
    """What `alter system` left behind."""
    rows = session.execute(
        "select distinct name from pg_file_settings where sourcefile like '%/postgresql.auto.conf' order by name"
    ).fetchall()
    return [row[0] for row in rows]


def loaded_at(session: Any) -> float:
    """When the server last read its configuration."""
    return float(session.execute("select extract(epoch from pg_conf_load_time())::float8").fetchone()[0])


def is_stale(session: Any, paths: Sequence[Path]) -> bool:
    """Whether a file changed after the server read its configuration."""
    loaded = loaded_at(session)
    return any(path.exists() and path.stat().st_mtime > loaded for path in paths)


def pending_restart(session: Any) -> list[str]:
    """Settings that the running server will only take at its next start."""
    rows = session.execute("select name from pg_settings where pending_restart order by name").fetchall()
    return [row[0] for row in rows]


def repair(module: AnsibleModule) -> None:
    """Bring files and server to what is declared, or in check mode say what would be done."""
    cluster = Cluster(module)
    files = cluster.wanted()
    present = {path: path.read_text() if path.exists() else "" for path in files}
    edited = {path: content for path, content in files.items() if present[path] != content}
    before = "".join(present[path] for path in edited)
    after = "".join(edited.values())
    done = [f"{path} changed" for path in edited]
    restart: list[str] = []

    if edited and not module.check_mode:
        refused = cluster.rehearse(files)
        if refused:
            module.fail_json(msg=f"PostgreSQL refuses this configuration; nothing was changed.\n{refused}")
        cluster.write(edited)

    pid = cluster.postmaster()
    if pid is not None and edited and not module.check_mode:
        cluster.signal_reload(pid)
    session = cluster.session(pid, edited)
    if session is not None:
        with session:
            by_hand = settings_by_hand(session)
            stale = is_stale(session, [*files, *(Path(path) for path in module.params["watch"])])
            if by_hand and not module.check_mode:
                session.execute("alter system reset all")
            if pid is not None and (by_hand or stale) and not module.check_mode:
                cluster.signal_reload(pid)
            restart = pending_restart(session)
        done += [f"{name} was set by alter system" for name in by_hand]
        before += "".join(f"alter system set {name}\n" for name in by_hand)
        done += ["a file is newer than what the server read"] if stale and not edited else []

    module.exit_json(
        changed=bool(done),
        msg="; ".join(done) + (f"; restart needed for {', '.join(restart)}" if restart else ""),
        diff={"before": before, "after": after},
        restart_required=bool(restart),
        pending_restart=restart,
        running=pid is not None,
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "settings": {"type": "dict", "required": True},
            "optional": {"type": "list", "elements": "str", "default": []},
            "hba": {"type": "list", "elements": "dict", "required": True},
            "ident": {"type": "list", "elements": "dict", "default": []},
            "watch": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    repair(module)


if __name__ == "__main__":
    main()
