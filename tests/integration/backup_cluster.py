"""A PostgreSQL cluster that archives into an encrypted repository, with the role's programs, in a container."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.filter.migrations import migration_bundle
from sandbox.docker import docker
from tests.sql.cluster import VERSION, build_image
from tests.unit.project import ROOT

IMAGE = "supabase-sandbox/backup-tests"
PROGRAMS = "/usr/local/lib/supabase-platform"
START_SECONDS = 60
STATE, TEXTFILE, SCRATCH, DATA = "/var/lib/state", "/var/lib/textfile", "/srv/restore-drill", "/srv/live"
PRELOADED = "pg_stat_statements,pgaudit,pg_cron"

DECLARED = {
    "platform": "test",
    "stanza": "main",
    "version": VERSION,
    "data": DATA,
    "mount": "/srv",
    "unit": "postgresql.service",
    "port": 5432,
    "database": "postgres",
    "spool": "/var/spool/pgbackrest",
    "state": STATE,
    "textfile": TEXTFILE,
    "retention_weeks": 4,
    "scratch": SCRATCH,
    "migrate": "/usr/local/sbin/platform-migrate",
    "migrations": f"{STATE}/migrations.json",
    "marker_table_bytes": 1 << 20,
}

CONFIGURATION = f"""
[global]
repo1-path=/srv/repository
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=only-this-test-knows-it
repo1-retention-full=9
compress-type=zst
start-fast=y
archive-async=y
spool-path=/var/spool/pgbackrest
lock-path=/run/postgresql/pgbackrest
log-level-file=off
log-level-console=off
log-level-stderr=warn
[main]
pg1-path={DATA}
pg1-socket-path=/run/postgresql
"""

_START = f"""
set -e
bin=/usr/lib/postgresql/{VERSION}/bin
mkdir -p /etc/supabase-platform
cat > /etc/supabase-platform/backup.json <<'END'
{json.dumps(DECLARED)}
END
cat > /etc/pgbackrest.conf <<'END'
{CONFIGURATION}
END
chown root:postgres /etc/pgbackrest.conf && chmod 0640 /etc/pgbackrest.conf
install -d -o postgres -g postgres -m 0750 {STATE} {TEXTFILE} {SCRATCH} {DATA} /srv/repository /run/postgresql \\
  /var/spool/pgbackrest
install -m 0755 {PROGRAMS}/platform-backup /usr/local/sbin/platform-backup
install -m 0755 /migrate.py /usr/local/sbin/platform-migrate
cd /
runuser -u postgres -- $bin/initdb --pgdata={DATA} --username=postgres --auth=peer --data-checksums --encoding=UTF8 \\
  --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8 > /dev/null
exec runuser -u postgres -- $bin/postgres -D {DATA} -c listen_addresses= -c unix_socket_directories=/run/postgresql \\
  -c wal_level=logical -c max_connections=60 -c shared_preload_libraries={PRELOADED} -c cron.database_name=postgres \\
  -c cron.use_background_workers=on -c archive_mode=on -c archive_timeout=1 \\
  -c 'archive_command=pgbackrest --stanza=main archive-push %p'
"""


@dataclass(frozen=True)
class Machine:
    """The container; every command runs as the user postgres."""

    container: str

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            ["docker", "exec", "--interactive", "--user=postgres", "--workdir=/", "--env=PYTHONDONTWRITEBYTECODE=1",
             self.container, *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        process = self.start(*command)
        out, err = process.communicate(stdin, timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def do(self, *command: str, stdin: str = "") -> str:
        """Run a command that must succeed; returns what it printed."""
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    def sql(self, *statements: str) -> str:
        """What psql prints for some statements, each a transaction of its own."""
        return self.do("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *(f"--command={text}" for text in statements))

    def backup(self, kind: str = "full") -> None:
        """A backup of one kind."""
        self.do("pgbackrest", "--stanza=main", f"--type={kind}", "backup")

    def marker(self) -> str:
        """Write a marker; returns its name."""
        name: str = json.loads(self.do("platform-backup", "marker"))["name"]
        return name

    def archived(self) -> None:
        """Have everything that was written so far in the archive."""
        self.do("pgbackrest", "--stanza=main", "check")

    def drill(self, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        """Run a drill to its end; returns how it ended and the newest entry of the history."""
        done = self.run("platform-backup", "drill", *arguments)
        return done, self.last_drill()

    def last_drill(self) -> dict[str, Any]:
        """The newest entry of the history; empty before the first."""
        record: dict[str, Any] = json.loads(self.do("sh", "-c", f"tail -qn 1 {STATE}/drills.jsonl || echo '{{}}'"))
        return record

    def scratch_is_empty(self) -> bool:
        """Whether nothing of a copy is left, neither files nor processes."""
        processes = self.do("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
        return self.do("ls", SCRATCH) == "" and f"-D {SCRATCH}" not in processes


def _image() -> str:
    base = build_image()
    docker(
        "build", "--quiet", "--tag", IMAGE, f"--build-arg=BASE={base}",
        "--file", str(Path(__file__).parent / "backup.Dockerfile"), str(Path(__file__).parent),
    )  # fmt: skip
    return IMAGE


@contextmanager
def running() -> Iterator[Machine]:
    """A cluster with the platform's migrations, its stanza and a first backup; removed at the end."""
    container = docker(
        "run", "--detach", "--rm", "--tmpfs=/dev/shm", "--entrypoint=",
        f"--volume={ROOT / 'roles/backup/files'}:{PROGRAMS}:ro",
        f"--volume={ROOT / 'roles/migrations/files/migrate.py'}:/migrate.py:ro",
        _image(), "sh", "-c", _START,
    ).strip()  # fmt: skip
    machine = Machine(container)
    try:
        deadline = time.monotonic() + START_SECONDS
        while machine.run("pg_isready", "-q").returncode:
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.2)
        bundle = migration_bundle(str(ROOT / "sql" / "migrations"))
        machine.do("sh", "-c", f"cat > {STATE}/migrations.json", stdin=bundle)
        machine.do("platform-migrate", f"{STATE}/migrations.json")
        machine.do("pgbackrest", "--stanza=main", "stanza-create")
        machine.backup()
        yield machine
    finally:
        docker("rm", "--force", container)
