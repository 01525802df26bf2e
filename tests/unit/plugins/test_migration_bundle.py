"""How sql/migrations becomes one document."""

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.migrations import migration_bundle
from roles.migrations.files.migrate import Lint, read_bundle, read_lints
from tests.unit.project import ROOT


def write(root: Path, name: str, up: str = "select 1;\n", verify: str = "select 1;\n") -> None:
    folder = root / name
    folder.mkdir()
    (folder / "up.sql").write_text(up)
    (folder / "verify.sql").write_text(verify)


def test_the_runner_reads_what_the_filter_writes(tmp_path: Path) -> None:
    write(tmp_path, "0002_second", up="select 'ü';\n\nselect 2;\n")
    write(tmp_path, "0001_first")
    first, second = read_bundle(migration_bundle(str(tmp_path)))
    assert (first.title, second.title) == ("0001_first", "0002_second")
    assert second.up == "select 'ü';\n\nselect 2;\n"


def test_lints_travel_along(tmp_path: Path) -> None:
    (tmp_path / "lints").mkdir()
    (tmp_path / "lints" / "0001_open.sql").write_text("select 1\nwhere false\n")
    folder = tmp_path / "migrations"
    folder.mkdir()
    write(folder, "0001_first")
    bundle = migration_bundle(str(folder))
    assert read_lints(bundle) == [Lint("0001_open", "select 1\nwhere false\n")]
    assert [migration.title for migration in read_bundle(bundle)] == ["0001_first"]


def test_the_same_folder_gives_the_same_bundle(tmp_path: Path) -> None:
    write(tmp_path, "0001_first")
    assert migration_bundle(str(tmp_path)) == migration_bundle(str(tmp_path))


def test_a_wrong_name_is_told(tmp_path: Path) -> None:
    write(tmp_path, "1-first")
    with pytest.raises(AnsibleFilterError, match="1-first: a migration's folder is named"):
        migration_bundle(str(tmp_path))


def test_one_number_twice_is_told(tmp_path: Path) -> None:
    write(tmp_path, "0001_first")
    write(tmp_path, "0001_other")
    with pytest.raises(AnsibleFilterError, match="more than one migration has the number 0001"):
        migration_bundle(str(tmp_path))


@pytest.mark.parametrize("file", ["up.sql", "verify.sql"])
def test_a_missing_or_empty_file_is_told(tmp_path: Path, file: str) -> None:
    write(tmp_path, "0001_first")
    (tmp_path / "0001_first" / file).write_text("\n")
    with pytest.raises(AnsibleFilterError, match=f"{file} is missing or empty"):
        migration_bundle(str(tmp_path))


def test_an_empty_folder_and_no_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match="holds no migrations"):
        migration_bundle(str(tmp_path))
    with pytest.raises(AnsibleFilterError, match="is not a folder"):
        migration_bundle(str(tmp_path / "absent"))


def test_every_migration_of_the_platform_has_its_three_files() -> None:
    folders = sorted((ROOT / "sql" / "migrations").iterdir())
    assert [migration.title for migration in read_bundle(migration_bundle(str(ROOT / "sql" / "migrations")))] == [
        folder.name for folder in folders
    ]
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"up.sql", "verify.sql", "test.sql"}, folder.name
