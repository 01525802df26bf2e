import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.filter.migrations import migration_bundle
from tests.sql.cluster import Cluster, running
from tests.sql.runner import Runner
from tests.unit.project import ROOT


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster for the whole run."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs docker, which does not answer here")
    with running() as started:
        yield started


@pytest.fixture(scope="session")
def platform(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster with the platform's migrations applied and pgTAP beside them."""
    bundle = tmp_path_factory.mktemp("bundle") / "migrations.json"
    bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
    done = Runner(cluster.dsn()).run(bundle)
    assert done.returncode == 0, done.stderr
    with cluster.connect() as session:
        session.execute("create schema pgtap authorization supabase_admin; create extension pgtap schema pgtap")
        session.execute((Path(__file__).parent / "actors.sql").read_bytes())
        session.execute(
            "grant usage on schema pgtap to public; grant execute on all functions in schema pgtap to public"
        )
    return cluster


@pytest.fixture
def runner(cluster: Cluster, request: pytest.FixtureRequest) -> Runner:
    """The migration runner on a database of its own."""
    return Runner(cluster.create_database(request.node.name[:60]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of migrations."""
    path = tmp_path / "migrations"
    path.mkdir()
    return path
