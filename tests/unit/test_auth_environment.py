"""The environment that the role writes for Auth, rendered by Ansible: golden files, and upstream's names."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.environment_files import rendered, variables_in
from tests.unit.project import ROOT, components, read_yaml

GOLDEN = Path(__file__).parent / "golden"
DATABASE = "postgres://supabase_auth_admin:"
# The names that GoTrue 2.196 reads, of those that a platform like this one may want. It says nothing about others, so
# that a slip of the pen is a setting that silently does not hold.
KNOWN = set((GOLDEN / "auth-variables.txt").read_text().split())
# Without these it does not start, listens elsewhere, limits nobody, or sends links into nowhere.
NEEDED = {
    "API_EXTERNAL_URL",
    "GOTRUE_DB_DRIVER",
    "GOTRUE_DB_DATABASE_URL",
    "GOTRUE_DB_MAX_POOL_SIZE",
    "GOTRUE_SITE_URL",
    "GOTRUE_JWT_SECRET",
    "GOTRUE_JWT_KEYS",
    "GOTRUE_JWT_AUD",
    "GOTRUE_JWT_DEFAULT_GROUP_NAME",
    "GOTRUE_API_HOST",
    "GOTRUE_API_PORT",
    "GOTRUE_RATE_LIMIT_HEADER",
    "GOTRUE_MAILER_URLPATHS_INVITE",
    "GOTRUE_MAILER_URLPATHS_CONFIRMATION",
    "GOTRUE_MAILER_URLPATHS_RECOVERY",
    "GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE",
    "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED",
    "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI",
}
PLAIN: dict[str, Any] = {
    "platform_name": "acme",
    "platform_domain": "supabase.example.com",
    "platform_environment": "production",
    "platform_phase": 1,
    "platform_memory_mb": 8192,
    "platform_mail": {"host": "", "port": 587, "user": "", "sender": ""},
    "platform_accounts": {
        "signups": False, "site_url": "https://supabase.example.com", "redirect_urls": [], "identity_providers": {},
    },
    "platform_secrets": {
        "db_supabase_auth_admin": "d" * 48,
        "jwt_secret": "j" * 64,
        "jwt_signing_keys": '[{"kid": "k"}]',
        "smtp_password": "a password with # and $HOME",
        "auth_google_client_secret": "of google",
        "auth_github_client_secret": "of github",
    },
}  # fmt: skip
FULL = {
    **PLAIN,
    "platform_mail": {"host": "mail.example.com", "port": 2525.0, "user": "alice", "sender": "no-reply@example.com"},
    "platform_accounts": {
        "signups": True,
        "site_url": "https://app.example.com",
        "redirect_urls": ["https://*.example.com/**", "myapp://callback"],
        "identity_providers": {
            name: {"client_id": f"client-{name}", "secret": f"auth_{name}_client_secret"}
            for name in ("google", "github")
        },
    },
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return rendered("auth", FULL, tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return rendered("auth", PLAIN, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("name", ["settings", "secrets"])
def test_the_files_are_the_golden_ones(full: dict[str, str], name: str) -> None:
    expected = (GOLDEN / f"auth-{name}.env").read_text()
    assert full[name] == expected, "if this is meant, change the golden file with it"


def test_every_variable_is_one_that_auth_reads(full: dict[str, str]) -> None:
    assert {*variables_in(full["settings"]), *variables_in(full["secrets"])} <= KNOWN


def test_what_auth_needs_is_always_there(plain: dict[str, str]) -> None:
    both = variables_in(plain["settings"]) | variables_in(plain["secrets"])
    assert both.keys() >= NEEDED
    assert not [name for name, value in both.items() if not value and name != "GOTRUE_URI_ALLOW_LIST"]
    assert not [
        name for name in both if name.startswith(("GOTRUE_SMTP_", "GOTRUE_EXTERNAL_GOO", "GOTRUE_EXTERNAL_GIT"))
    ]
    assert both["GOTRUE_DISABLE_SIGNUP"] == "true"


def test_no_secret_is_in_the_file_that_is_shown(full: dict[str, str]) -> None:
    secrets = {name: value for name, value in FULL["platform_secrets"].items() if name != "jwt_signing_keys"}
    for name, value in secrets.items():
        assert value not in full["settings"], name
        assert value in full["secrets"], name


def test_links_and_callbacks_lead_through_the_gateway_s_public_routes(full: dict[str, str]) -> None:
    settings = variables_in(full["settings"])
    public = {route["exact"] for route in components()["auth"]["routes"] if route["access"] == "public"}
    api = f"https://{components()['gateway']['vhosts'][0]}.supabase.example.com"
    for kind in ("INVITE", "CONFIRMATION", "RECOVERY", "EMAIL_CHANGE"):
        assert settings[f"GOTRUE_MAILER_URLPATHS_{kind}"] in public
    for provider in ("GOOGLE", "GITHUB"):
        assert settings[f"GOTRUE_EXTERNAL_{provider}_REDIRECT_URI"].removeprefix(api) in public


def test_auth_connects_directly_encrypted_and_with_a_limit(full: dict[str, str]) -> None:
    url = variables_in(full["secrets"])["GOTRUE_DB_DATABASE_URL"]
    (port,) = [row["port"] for row in components()["postgresql"]["ports"]]
    assert url.startswith(f"{DATABASE}{'d' * 48}@")
    assert f":{port}/" in url
    assert "sslmode=verify-full" in url
    assert int(variables_in(full["settings"])["GOTRUE_DB_MAX_POOL_SIZE"]) > 0, "0 means without a limit"


def test_the_hook_is_the_function_of_the_migrations(full: dict[str, str]) -> None:
    hook = read_yaml(ROOT / "roles/auth/vars/main.yml")["__auth_hook"]
    made = "".join(path.read_text() for path in (ROOT / "sql/migrations").glob("*/up.sql"))
    assert f"create function {hook['schema']}.{hook['function']}(event jsonb)" in made
    uri = variables_in(full["settings"])["GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI"]
    assert uri.endswith(f"/{hook['schema']}/{hook['function']}")
