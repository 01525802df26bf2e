"""What the role writes for n8n, rendered by Ansible: a golden file, and what must hold of it and of the workflows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

from tests.unit.environment_files import rendered, variables_in
from tests.unit.project import GROUP_VARS, ROLES, components, read_yaml

(ROLE,) = (role for role in ROLES if role.name == "odoo_sync")
GOLDEN = Path(__file__).parent / "golden" / "odoo_sync-settings.env"
SECRETS = {
    "db_n8n": "1" * 48,
    "db_odoo_sync": "2" * 48,
    "n8n_encryption_key": "3" * 64,
    "n8n_owner_password": "4" * 48,
    "odoo_webhook_path": "5" * 48,
    "odoo_api_key": "6" * 40,
}
VARIABLES: dict[str, Any] = {
    "platform_domain": "supabase.example.com",
    "platform_odoo": {
        "url": "https://odoo.example.com", "database": "live", "user": "", "engine": "n8n", "companies": {}
    },
    "platform_secrets": SECRETS,
    "__odoo_sync_hash": {"stdout": "$2b$10$hash"},
}  # fmt: skip
MODELS = read_yaml(ROLE / "vars/main.yml")["__odoo_sync_models"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return rendered("odoo_sync", VARIABLES, tmp_path_factory.mktemp("odoo_sync"))


@pytest.fixture(scope="module")
def settings(files: dict[str, str]) -> dict[str, str]:
    return variables_in(files["settings"])


def workflow(name: str, **more: Any) -> dict[str, Any]:
    """A workflow as the role has n8n have it."""
    names = read_yaml(ROLE / "vars/main.yml")
    environment = Environment(variable_start_string="<<", variable_end_string=">>", trim_blocks=True, autoescape=False)  # noqa: S701 - JSON
    environment.filters |= {"to_json": json.dumps, "combine": lambda one, other: {**one, **other}}
    text = (ROLE / f"templates/workflows/{name}.json.j2").read_text()
    variables = {
        "odoo_sync_url": "https://odoo.example.com",
        "odoo_sync_database": "live",
        "odoo_sync_poll_seconds": 30,
        "odoo_sync_webhook_secret": "odoo_webhook_path",
        "platform_secrets": SECRETS,
        "__odoo_sync_models": MODELS,
        "__odoo_sync_credentials": {"database": "d1", "odoo": "o1"},
        "__odoo_sync_database_credential": names["__odoo_sync_database_credential"],
        "__odoo_sync_odoo_credential": names["__odoo_sync_odoo_credential"],
        "__odoo_sync_settings_of_workflows": names["__odoo_sync_settings_of_workflows"],
    }
    made: dict[str, Any] = json.loads(environment.from_string(text).render(variables | more))
    return made


def of_model(model: str) -> dict[str, Any]:
    return workflow(
        "model",
        __odoo_sync_model=model,
        __odoo_sync_workflow=f"odoo-{model.replace('.', '-')}",
        __odoo_sync_seconds="3,33",
    )


ALL = [of_model(model) for model in MODELS] + [workflow("nudge"), workflow("errors")]


def test_the_settings_are_the_golden_ones(files: dict[str, str]) -> None:
    assert files["settings"] == GOLDEN.read_text(), "if this is meant, change the golden file with it"


def test_no_secret_is_in_the_file_that_is_shown(files: dict[str, str]) -> None:
    assert not [name for name, value in SECRETS.items() if value in files["settings"]]
    assert variables_in(files["secrets"]) == {
        "DB_POSTGRESDB_PASSWORD": SECRETS["db_n8n"],
        "N8N_ENCRYPTION_KEY": SECRETS["n8n_encryption_key"],
        "N8N_INSTANCE_OWNER_PASSWORD_HASH": "$2b$10$hash",
    }


def test_it_connects_past_the_pooler_knows_the_server_and_keeps_to_its_sessions(settings: dict[str, str]) -> None:
    (port,) = [row["port"] for row in components()["postgresql"]["ports"]]
    assert settings["DB_POSTGRESDB_PORT"] == str(port)
    assert settings["DB_POSTGRESDB_SSL_ENABLED"] == "true"
    assert settings["DB_POSTGRESDB_SSL_CA_FILE"] == settings["NODE_EXTRA_CA_CERTS"]
    assert int(settings["DB_POSTGRESDB_POOL_SIZE"]) < components()["n8n"]["connections"]


def test_what_the_gateway_opens_is_where_n8n_listens_for_calls(settings: dict[str, str]) -> None:
    (route,) = components()["n8n"]["routes"]
    assert route["below"] == route["to"] == f"/{settings['N8N_ENDPOINT_WEBHOOK']}/"
    assert route["secret"]


def test_workflows_have_ids_of_their_own_that_n8n_can_store() -> None:
    identifiers = [flow["id"] for flow in ALL]
    assert len(set(identifiers)) == len(identifiers) == len(MODELS) + 2
    assert all(re.fullmatch(r"[a-z0-9-]{5,36}", identifier) for identifier in identifiers)


@pytest.mark.parametrize("flow", ALL, ids=lambda flow: str(flow["name"]))
def test_each_workflow_tells_of_its_errors_and_keeps_nothing(flow: dict[str, Any]) -> None:
    assert (flow["settings"].get("errorWorkflow") == "odoo-errors") is (flow["id"] != "odoo-errors")
    assert flow["settings"]["saveDataSuccessExecution"] == flow["settings"]["saveDataErrorExecution"] == "none"
    assert flow["settings"]["saveManualExecutions"] is flow["settings"]["saveExecutionProgress"] is False


@pytest.mark.parametrize("flow", ALL, ids=lambda flow: str(flow["name"]))
def test_each_workflow_hangs_together_and_holds_no_secret_but_the_path(flow: dict[str, Any]) -> None:
    names = {node["name"] for node in flow["nodes"]}
    reached = {end["node"] for start in flow["connections"].values() for way in start["main"] for end in way}
    triggers = {node["name"] for node in flow["nodes"] if re.search(r"[tT]rigger$|webhook$", node["type"])}
    assert set(flow["connections"]) | reached == names
    assert names - reached == triggers
    text = json.dumps(flow)
    shown = {name for name, value in SECRETS.items() if value in text}
    assert shown == ({"odoo_webhook_path"} if flow["id"] == "odoo-nudge" else set())


def test_workflows_of_models_differ_by_the_model_alone() -> None:
    one, *others = (
        json.dumps(of_model(model)).replace(model.replace(".", "-"), "-").replace(model, ".") for model in MODELS
    )
    assert set(others) == {one}


def test_the_call_reaches_every_model() -> None:
    called = [
        node["parameters"]["workflowId"]["value"]
        for node in workflow("nudge")["nodes"]
        if "workflowId" in node["parameters"]
    ]
    assert called == [of_model(model)["id"] for model in MODELS]


def test_the_models_are_those_of_the_migrations() -> None:
    made = (ROLE / "../../sql/migrations/0040_sync_models/up.sql").read_text()
    listed = made.split("insert into sync.models", 1)[1].split(";", 1)[0]
    assert re.findall(r"\(\s*'([a-z.]+)', \d+,", listed) == MODELS


def test_the_image_is_pinned_exactly() -> None:
    tag = yaml.safe_load((GROUP_VARS / "images.yml").read_text())["images"]["n8n"]["tag"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", tag)
