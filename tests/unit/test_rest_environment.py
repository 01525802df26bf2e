"""The environment that the role writes for REST, rendered by Ansible: a golden file, and what must hold of it."""

import re
from pathlib import Path

import pytest

from tests.unit.environment_files import rendered, variables_in
from tests.unit.project import GROUP_VARS, ROOT, components, read_yaml

GOLDEN = Path(__file__).parent / "golden" / "rest-settings.env"
STAND_IN = ROOT / "sandbox/images/lite/rootfs/usr/local/lib/lite/settings.js"
PASSWORD = "d" * 48
VARIABLES = {
    "platform_domain": "supabase.example.com",
    "platform_memory_mb": 8192,
    "platform_secrets": {"db_authenticator": PASSWORD, "jwks": '{"keys": []}'},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return rendered("rest", VARIABLES, tmp_path_factory.mktemp("rest"))


@pytest.fixture(scope="module")
def settings(files: dict[str, str]) -> dict[str, str]:
    return variables_in(files["settings"])


def test_the_settings_are_the_golden_ones(files: dict[str, str]) -> None:
    assert files["settings"] == GOLDEN.read_text(), "if this is meant, change the golden file with it"


def test_no_secret_is_in_the_file_that_is_shown(files: dict[str, str]) -> None:
    assert PASSWORD not in files["settings"]
    assert set(variables_in(files["secrets"])) == {"PGRST_DB_URI"}


def test_every_variable_is_one_that_rest_reads(settings: dict[str, str]) -> None:
    """PostgREST ignores a name that it does not know; the stand-in has those of 14.17 that the platform may want."""
    known = set(re.findall(r"^  (PGRST_\w+):", STAND_IN.read_text(), re.MULTILINE))
    assert set(settings) <= known


def test_it_connects_past_the_pooler_and_knows_the_server(files: dict[str, str]) -> None:
    uri = variables_in(files["secrets"])["PGRST_DB_URI"]
    (port,) = [row["port"] for row in components()["postgresql"]["ports"]]
    assert uri.startswith(f"postgres://authenticator:{PASSWORD}@")
    assert f":{port}/" in uri
    assert "sslmode=verify-full" in uri


def test_what_must_stay_shut_is_shut(settings: dict[str, str]) -> None:
    platform = read_yaml(GROUP_VARS / "platform.yml")
    assert settings["PGRST_DB_SCHEMAS"].split(",") == platform["platform_api_schemas"]
    assert not {"bronze", "auth", "storage", "tenancy"} & set(settings["PGRST_DB_SCHEMAS"].split(","))
    # Settings on a database role would overrule the file.
    assert settings["PGRST_DB_CONFIG"] == "false"
    assert settings["PGRST_DB_PLAN_ENABLED"] == settings["PGRST_DB_AGGREGATES_ENABLED"] == "false"
    assert not [name for name in settings if name.startswith("PGRST_APP_SETTINGS")], "any SQL function could read it"


def test_the_health_command_can_ask(settings: dict[str, str]) -> None:
    assert settings["PGRST_ADMIN_SERVER_PORT"]
    assert settings["PGRST_ADMIN_SERVER_HOST"] not in {"*", "*4", "!4", "*6", "!6"}


def test_the_pre_request_function_is_one_of_the_migrations(settings: dict[str, str]) -> None:
    made = "".join(path.read_text() for path in (ROOT / "sql/migrations").glob("*/up.sql"))
    assert f"create function {settings['PGRST_DB_PRE_REQUEST']}()" in made


def test_the_channel_is_the_one_that_the_triggers_notify(settings: dict[str, str]) -> None:
    triggers = (ROOT / "sql/migrations/0006_schema_cache_reload/up.sql").read_text()
    assert f"notify {settings['PGRST_DB_CHANNEL']}, 'reload schema'" in triggers
