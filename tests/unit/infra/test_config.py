import pytest
import yaml

from infra import PROJECT, ROOT
from infra.accounts import Accounts, Mail, secrets_in_clear
from infra.config import missing_credentials, missing_tools, parse
from infra.config_values import KEYS, ConfigError
from infra.odoo import Odoo
from infra.phases import PHASES
from tests.unit.infra.conftest import BASE, MAIL, ODOO, config


def problems(**keys: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(**keys)
    return caught.value.problems


def test_a_minimal_configuration_gets_the_schema_s_defaults() -> None:
    plain = config()
    assert plain.phase == PHASES[1]
    assert plain.production
    assert plain.platform == "supabase"
    assert plain.volume_size == 500
    assert plain.ssh_allowed_cidrs == ("203.0.113.7/32",)
    assert plain.studio_allowed_cidrs == plain.ssh_allowed_cidrs
    assert plain.converge
    assert plain.protect
    assert plain.rotations == {}
    assert plain.backup_retention_weeks == 4


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        ("phase", "5", "= 5", "allowed: 1, 2, 3, 4"),
        ("phase", "two", '= "two"', "not a whole number"),
        ("region", "mars1", '= "mars1"', "allowed: ams3"),
        ("domain", "Not a domain", '= "Not a domain"', "supabase.example.com"),
        ("domain", "", "is not set", "supabase.example.com"),
        ("dns_provider", "route53", '= "route53"', "allowed: digitalocean, external"),
        ("environment", "test", '= "test"', "allowed: production, staging"),
        ("platform", "My Platform", '= "My Platform"', "lower-case"),
        ("ssh_allowed_cidrs", "[]", "is not set", "pulumi config set --path 'ssh_allowed_cidrs[0]'"),
        ("ssh_allowed_cidrs", "203.0.113.7/32", '= "203.0.113.7/32"', "not a list"),
        ("ssh_allowed_cidrs", '["203.0.113.7"]', '= "203.0.113.7"', "prefix length is missing"),
        ("ssh_allowed_cidrs", '["203.0.113.7/24"]', '= "203.0.113.7/24"', "has host bits set"),
        ("ssh_allowed_cidrs", '["0.0.0.0/0"]', '= "0.0.0.0/0"', "whole internet"),
        ("ssh_allowed_cidrs", '["::/0"]', '= "::/0"', "whole internet"),
        ("studio_allowed_cidrs", '["0.0.0.0/0"]', '= "0.0.0.0/0"', "Studio must not be open to the whole internet"),
        ("studio_allowed_cidrs", '["203.0.113.7"]', '= "203.0.113.7"', "prefix length is missing"),
        ("volume_size", "99", "= 99", "allowed: 100 to 16384 GB"),
        ("volume_size", "16385", "= 16385", "allowed: 100 to 16384 GB"),
        ("images_archive", "no/such/folder", '= "no/such/folder"', "allowed: a folder with archives"),
        ("backup_retention_weeks", "0", "= 0", "allowed: 1 to 52 weeks"),
        ("backup_retention_weeks", "53", "= 53", "allowed: 1 to 52 weeks"),
        ("backup_retention_weeks", "long", '= "long"', "not a whole number"),
        ("alert_email", "nobody", '= "nobody"', "pulumi config set alert_email"),
        ("acme_directory", "http://ca.test/dir", '= "http://ca.test/dir"', "an https address"),
        ("acme_directory", "letsencrypt", '= "letsencrypt"', "acme-staging-v02"),
        ("converge", "maybe", '= "maybe"', "allowed: true, false"),
        ("protect", "false", "= false", "allowed in production: true"),
        ("dns_zone", "example.com", '= "example.com"', "only with dns_provider digitalocean"),
        ("dns_zone", "example.org", '= "example.org"', "a zone above supabase.example.com"),
        ("rotations", '{"nothing": 2}', "= 2", "unknown secret"),
        ("rotations", '{"backup_cipher": 2}', "= 2", "could not read what the old one encrypted"),
        ("rotations", '{"pgsodium_key": 2}', "= 2", "could not read what the old one encrypted"),
        ("rotations", '{"backup_key": 0}', "= 0", "a whole number from 1"),
        ("rotations", '{"jwt_secret": 0}', "= 0", "a whole number from 1"),
        ("rotations", '{"jwt_secret": true}', "= true", "a whole number from 1"),
        ("source_extensions", '["plrust"]', '= "plrust"', "allowed: "),
        ("rotations", "[]", "is not set", "not a map"),
        ("smtp_host", "smtp://mail", '= "smtp://mail"', "allowed: a host"),
        ("smtp_port", "0", "= 0", "allowed: 1 to 65535"),
        ("smtp_port", "submission", '= "submission"', "not a whole number"),
        ("smtp_user", "two words", '= "two words"', "letters, digits and signs"),
        ("smtp_user", "alice", '= "alice"', "means nothing without smtp_host"),
        ("smtp_sender", "nobody", '= "nobody"', "no-reply@example.com"),
        ("auth_signups", "perhaps", '= "perhaps"', "allowed: true, false"),
        ("auth_signups", "true", "= true", "allowed with smtp_host only"),
        ("auth_site_url", "app.example.com", '= "app.example.com"', "https://app.example.com"),
        ("auth_site_url", "http://app.example.com", '= "http://app.example.com"', "https://app.example.com"),
        ("auth_site_url", "https://*.example.com", '= "https://*.example.com"', "https://app.example.com"),
        ("auth_redirect_urls", "https://app.example.com", '= "https://app.example.com"', "not a list"),
        ("auth_redirect_urls", '["/callback"]', '= "/callback"', "myapp://callback"),
        ("auth_redirect_urls", '["https://a.example.com,https://b.example.com"]', "b.example.com", "myapp://callback"),
        ("auth_redirect_urls", '["javascript://a.example.com/x"]', "javascript:", "myapp://callback"),
        ("auth_redirect_urls", '["https://**"]', '= "https://**"', "name the host"),
        ("auth_redirect_urls", '["https://*.com/**"]', '= "https://*.com/**"', "name the host"),
        ("auth_redirect_urls", '["https://app.example.*"]', '= "https://app.example.*"', "name the host"),
        ("auth_redirect_urls", '["https://**.example.com"]', '= "https://**.example.com"', "name the host"),
        ("auth_redirect_urls", '["http://app.example.com"]', '= "http://app.example.com"', "localhost"),
        ("auth_signing_algorithm", "RS256", '= "RS256"', "allowed: HS256, ES256"),
        ("auth_google_client_id", "two words", '= "two words"', "the client id that google gave you"),
        ("odoo_url", "odoo.example.com", '= "odoo.example.com"', "https://odoo.example.com"),
        ("odoo_url", "http://odoo.example.com", '= "http://odoo.example.com"', "https://odoo.example.com"),
        ("odoo_url", "https://odoo.example.com/web", '= "https://odoo.example.com/web"', "https://odoo.example.com"),
        ("odoo_url", "https://a:b@odoo.example.com", "b@odoo", "https://odoo.example.com"),
        ("odoo_database", "two words", '= "two words"', "the name of Odoo's database"),
        ("odoo_user", "two words", '= "two words"', "letters, digits and signs"),
        ("odoo_sync_engine", "airbyte", '= "airbyte"', "allowed: n8n, worker"),
        ("odoo_companies", "[]", "is not set", "not a map"),
        ("odoo_companies", '{"acme": "acme"}', '= "acme"', "named by its number"),
        ("odoo_companies", '{"1": "Acme Ltd"}', '= "Acme Ltd"', "an organisation's slug"),
        ("odoo_companies", '{"1": 7}', "= 7", "an organisation's slug"),
    ],
)
def test_a_bad_value_is_answered_with_key_value_and_what_is_allowed(
    key: str, value: str, shown: str, allowed: str
) -> None:
    (problem, *_) = problems(**{key: value})
    assert problem.startswith(f"{PROJECT}:{key}")
    assert shown in problem
    assert allowed in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({**MAIL, "smtp_user": "alice"}, "smtp_password is not set: smtp_user needs one"),
        ({**MAIL, "smtp_password": "hidden-away"}, "smtp_user is not set: smtp_password needs one"),
        ({"smtp_password": "hidden-away"}, "smtp_password: means nothing without smtp_host"),
        ({**MAIL, "smtp_user": "alice", "smtp_password": "hidden-away\n"}, "smtp_password: allowed: one line"),
        ({**MAIL, "smtp_user": "alice", "smtp_password": "changeme"}, "smtp_password: it is a value published"),
        ({"smtp_host": "mail.example.com"}, "smtp_sender is not set: name the address"),
        ({"auth_github_client_secret": "hidden-away"}, "auth_github_client_id is not set"),
        ({"auth_google_client_id": "c"}, "run: pulumi config set --secret auth_google_client_secret"),
        ({**ODOO, "odoo_api_key": ""}, "run: pulumi config set --secret odoo_api_key"),
        ({**ODOO, "odoo_database": ""}, "odoo_database is not set: odoo_url needs one"),
        ({"odoo_database": "live"}, 'odoo_database = "live": means nothing without odoo_url'),
        ({"odoo_user": "sync"}, 'odoo_user = "sync": means nothing without odoo_url'),
        ({"odoo_companies": '{"1": "acme"}'}, "means nothing without odoo_url"),
        ({"odoo_api_key": "hidden-away"}, "odoo_api_key: means nothing without odoo_url"),
    ],
)
def test_settings_that_belong_together_come_together_and_no_secret_is_shown(keys: dict[str, str], said: str) -> None:
    found = problems(**keys)
    assert said in found[0]
    assert "hidden-away" not in "".join(found)


def test_a_secret_in_clear_is_one_no_more() -> None:
    values = {f"{PROJECT}:smtp_password": "hidden-away", f"{PROJECT}:smtp_user": "alice"}
    (problem,) = secrets_in_clear(values, set().__contains__)
    assert "pulumi config set --secret smtp_password" in problem
    assert "hidden-away" not in problem
    assert secrets_in_clear(values, {f"{PROJECT}:smtp_password"}.__contains__) == []


def test_odoo_is_as_configured() -> None:
    assert config().odoo == Odoo("", "", "", "n8n", {})
    chosen = config(**ODOO, odoo_user="sync@example.com", odoo_sync_engine="worker", odoo_companies='{"1": "acme"}')
    assert chosen.odoo == Odoo("https://odoo.example.com", "live", "sync@example.com", "worker", {"1": "acme"})
    assert chosen.given_secrets == {"odoo_api_key": ODOO["odoo_api_key"]}
    rehearsal = config(**{**ODOO, "odoo_url": "http://odoo.test:8069"}, environment="staging")
    assert rehearsal.odoo.url == "http://odoo.test:8069"


def test_mails_and_accounts_are_as_configured() -> None:
    chosen = config(
        **MAIL, smtp_user="alice", smtp_password="a b", auth_signups="true", auth_signing_algorithm="ES256",
        auth_redirect_urls='["https://*.team.example.com/**", "http://localhost:3000/*", "myapp://callback"]',
        auth_google_client_id="client", auth_google_client_secret="s",
    )  # fmt: skip
    assert chosen.mail == Mail("mail.example.com", 587, "alice", "no-reply@example.com")
    assert chosen.accounts == Accounts(
        signups=True, site_url="https://supabase.example.com", signing_algorithm="ES256",
        redirect_urls=("https://*.team.example.com/**", "http://localhost:3000/*", "myapp://callback"),
        client_ids={"google": "client"},
    )  # fmt: skip
    assert chosen.given_secrets == {"smtp_password": "a b", "auth_google_client_secret": "s"}
    assert config(environment="staging", auth_site_url="http://localhost:3000").accounts.site_url


def test_nobody_makes_an_account_unless_the_operator_says_so() -> None:
    assert not config().accounts.signups
    assert config().mail.host == ""


def test_all_problems_are_reported_at_once() -> None:
    found = problems(phase="9", region="x", alert_email="y")
    assert len(found) == 3


def test_an_unknown_key_is_refused_without_showing_its_value() -> None:
    (problem,) = problems(colour="very-private")
    assert "colour" in problem
    assert "pulumi config rm colour" in problem
    assert "very-private" not in problem


def test_a_secret_set_by_hand_is_refused_without_showing_it() -> None:
    (problem,) = problems(jwt_secret="your-super-secret-jwt-token-with-at-least-32-characters-long")
    assert "makes this secret itself" in problem
    assert "your-super" not in problem


def test_another_namespace_is_none_of_our_business() -> None:
    assert parse(BASE | {"digitalocean:anything": "x"})


def test_studio_may_have_networks_of_its_own() -> None:
    assert config(studio_allowed_cidrs='["198.51.100.0/24"]').studio_allowed_cidrs == ("198.51.100.0/24",)


def test_staging_may_be_smaller_and_unprotected() -> None:
    small = config(environment="staging", volume_size="10", protect="false", ssh_allowed_cidrs='["0.0.0.0/0"]')
    assert (small.volume_size, small.protect, small.production) == (10, False, False)


def test_a_parent_zone_is_allowed_at_digitalocean() -> None:
    assert config(dns_provider="digitalocean", dns_zone="example.com").dns_zone == "example.com"


def test_the_default_volume_is_enough_for_every_phase() -> None:
    for number in PHASES:
        assert config(phase=str(number)).volume_size == 500


def test_missing_credentials_say_the_command_that_supplies_them() -> None:
    lines = missing_credentials({}, {})
    assert len(lines) == 3
    assert all("run: export" in line and "pulumi config set --secret" in line for line in lines)
    assert missing_credentials(
        {"digitalocean:token": "t"}, {"SPACES_ACCESS_KEY_ID": "a", "SPACES_SECRET_ACCESS_KEY": "b"}
    ) == []  # fmt: skip


def test_a_missing_tool_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    lines = missing_tools()
    assert [line.split()[1] for line in lines] == ["ssh", "ssh-add", "ssh-agent"]
    assert all("apt-get install openssh-client" in line for line in lines)


def test_the_schema_explains_every_key_with_a_default() -> None:
    for key, entry in KEYS.items():
        assert entry["description"], key
        assert entry["type"] in {"string", "integer", "boolean", "array", "object"}, key
        assert "default" in entry, key


@pytest.mark.parametrize("number", PHASES)
def test_each_phase_has_a_stack_that_lacks_only_what_the_operator_must_say(number: int) -> None:
    text = (ROOT / f"Pulumi.phase{number}.yaml").read_text()
    values = {key: str(value) for key, value in yaml.safe_load(text)["config"].items()}
    with pytest.raises(ConfigError) as caught:
        parse(values)
    missing = sorted(problem.split(" ")[0] for problem in caught.value.problems)
    assert missing == [f"{PROJECT}:alert_email", f"{PROJECT}:ssh_allowed_cidrs"]
    for key in ("alert_email", "ssh_allowed_cidrs"):
        assert key in text.split("config:")[0], f"{key} is not explained at the top of the file"
    complete = parse(values | {key: BASE[key] for key in missing})
    assert complete.phase == PHASES[number]
