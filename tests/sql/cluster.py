"""A PostgreSQL cluster in a container, of the packages that the role installs, for one run of the tests."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from sandbox import image
from tests.unit.project import GROUP_VARS, ROOT

VERSION = str(yaml.safe_load((GROUP_VARS / "versions.yml").read_text())["versions"]["postgresql"]["major"])
START_SECONDS = 60

_START = """
set -e
bin=/usr/lib/postgresql/{version}/bin data=/var/lib/postgresql/data
$bin/initdb --pgdata=$data --username=postgres --auth=trust --no-sync {initdb} > /dev/null
echo 'host all all all trust' >> $data/pg_hba.conf
exec $bin/postgres -D $data -c listen_addresses='*' -c fsync=off -c wal_level=logical -c max_connections=50 \
  -c shared_preload_libraries={preload} -c cron.use_background_workers=on -c cron.database_name=postgres
"""


@dataclass(frozen=True)
class Cluster:
    """Where the cluster answers."""

    host: str

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """A connection string for a database of the cluster."""
        return f"host={self.host} port=5432 user={user} dbname={database} connect_timeout=5"

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A session that commits each statement."""
        return psycopg.connect(self.dsn(database, user), autocommit=True)

    def create_database(self, name: str) -> str:
        """A fresh database; returns its connection string."""
        with self.connect() as session:
            session.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            session.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.dsn(name)


def _role_variables() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "roles" / "postgresql" / "vars" / "main.yml").read_text())
    return loaded


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.strip()


def build_image() -> str:
    """The image of the cluster; made once, then taken from docker's cache."""
    templated = "{{ __postgresql_version }}"
    packages = [name.replace(templated, VERSION) for name in _role_variables()["__postgresql_packages"]]
    packages.append(f"postgresql-{VERSION}-pgtap")
    tag = "supabase-sandbox/sql-tests"
    _docker(
        "build", "--quiet", "--tag", tag, f"--build-arg=BASE={image.build('droplet')}",
        f"--build-arg=PACKAGES={' '.join(sorted(packages))}", str(Path(__file__).parent),
    )  # fmt: skip
    return tag


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that is removed at the end."""
    initdb = [
        option for option in _role_variables()["__postgresql_initdb"] if not option.startswith(("--username", "--auth"))
    ]
    script = _START.format(version=VERSION, initdb=" ".join(initdb), preload="pg_stat_statements,pgaudit,pg_cron")
    container = _docker(
        "run",
        "--detach",
        "--rm",
        "--user=postgres",
        "--tmpfs=/dev/shm",
        "--entrypoint=",
        build_image(),
        "sh",
        "-c",
        script,
    )
    try:
        host = _docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container)
        cluster = Cluster(host)
        _wait_for(cluster, container)
        yield cluster
    finally:
        _docker("rm", "--force", container)


def _wait_for(cluster: Cluster, container: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            cluster.connect().close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"no answer within {START_SECONDS} s: {error}{_docker('logs', container)}"
                ) from error
            time.sleep(0.1)
        else:
            return
