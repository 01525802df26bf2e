"""When the authority is asked, what people are told when it refuses, and that there is always a certificate."""

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.project import ROOT


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "platform_certificate", ROOT / "roles" / "nginx" / "files" / "platform_certificate.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


program = load()
NOW = datetime(2026, 11, 23, tzinfo=UTC)
DIRECTORY = "https://ca.test/dir"


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    return program.Settings(
        names=("a.test", "api.a.test"),
        directory=DIRECTORY,
        email="ops@a.test",
        webroot="/srv/www/acme",
        pair=tmp_path / "edge.pem",
        certbot=tmp_path / "letsencrypt",
        lineage="platform",
        address="192.0.2.10",
        unit="nginx.service",
        https_port=443,
        textfile=tmp_path,
    )


def certificate(*names: str, days: int = 30, self_signed: bool = False) -> Any:
    return program.Certificate(frozenset(names), NOW + timedelta(days=days), self_signed)


def test_the_declared_names_from_the_declared_authority_do(settings: Any) -> None:
    assert program.reason_to_ask(settings, certificate("api.a.test", "a.test"), DIRECTORY, NOW) == ""


@pytest.mark.parametrize(
    ("present", "directory", "why"),
    [
        (None, "", "there is none of the authority yet"),
        (certificate("a.test"), DIRECTORY, "it is for a.test"),
        (certificate("a.test", "api.a.test", "old.a.test"), DIRECTORY, "it is for a.test, api.a.test, old.a.test"),
        (certificate("a.test", "api.a.test"), "https://other.test/dir", "it is from https://other.test/dir"),
        (certificate("a.test", "api.a.test", days=-1), DIRECTORY, "it expired"),
    ],
)
def test_the_authority_is_asked(settings: Any, present: Any, directory: str, why: str) -> None:
    assert program.reason_to_ask(settings, present, directory, NOW) == why


def test_the_authority_is_read_from_certbot_s_notes() -> None:
    assert program.directory_of("[renewalparams]\naccount = 1\nserver = https://ca.test/dir\n") == DIRECTORY
    assert program.directory_of("") == ""


def test_a_placeholder_is_made_once_and_is_a_pair(settings: Any) -> None:
    assert "held no certificate" in program.placeholder(settings, check=True)
    assert not settings.pair.exists()
    assert "held no certificate" in program.placeholder(settings, check=False)
    pem = settings.pair.read_text()
    assert program.is_pair(pem)
    assert settings.pair.stat().st_mode & 0o777 == 0o600
    made = program.read_certificate(pem)
    assert made.self_signed
    assert made.names == set(settings.names)
    assert program.placeholder(settings, check=False) == ""
    assert settings.pair.read_text() == pem


def test_a_key_of_another_certificate_is_no_pair(settings: Any) -> None:
    first, second = program.self_signed(settings.names), program.self_signed(settings.names)
    key, certificate_of_other = first.split("-----BEGIN CERTIFICATE", 1)[0], second[second.index("-----BEGIN CERT") :]
    assert not program.is_pair(key + certificate_of_other)
    settings.pair.write_text(key + certificate_of_other)
    assert program.placeholder(settings, check=False)
    assert program.is_pair(settings.pair.read_text())


DNS = """
Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: api.a.test
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for api.a.test

  Domain: a.test
  Type:   connection
  Detail: 192.0.2.99: Fetching http://a.test/.well-known/acme-challenge/x: Timeout

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (DNS, ["api.a.test: there is no DNS record that leads here; enter A 192.0.2.10", "NXDOMAIN", "a.test: the"]),
        ("  Domain: a.test\n  Type:   caa\n  Detail: CAA forbids", ["a CAA record of the domain forbids"]),
        ("  Domain: a.test\n  Type:   odd\n  Detail: what", ["a.test: the authority refused it", "it said: what"]),
        (
            "An unexpected error occurred:\ntoo many certificates already issued, retry after 2026-11-24 03:00:00 UTC",
            ["limits how often", "retry after 2026-11-24"],
        ),
        ("requests.exceptions.ConnectionError: Max retries exceeded", ["cannot be reached from this server"]),
        ("  Domain: a.test\n  Type:   connection\n  Detail: could not resolve URL", ["a.test: there is no DNS record"]),
        ("ValueError: Requesting ca.test/dir: Connection refused", ["cannot be reached from this server"]),
        ("requests.exceptions.SSLError: certificate verify failed: unable", ["is acme_directory right?"]),
        (
            "Failed to renew certificate platform with error: the reason\nAll renewals failed.\n1 renew failure(s)",
            ["  the reason\n"],
        ),
        ("", ["Certbot said nothing"]),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(settings: Any, said: str, told: list[str]) -> None:
    text = program.explain(said, settings, certificate("a.test"))
    for words in [*told, DIRECTORY, "Meanwhile nginx serves a certificate of the authority, valid until 2026-12-23"]:
        assert words in text


def test_metrics_keep_the_last_outcome_until_there_is_another() -> None:
    text = program.render(certificate("a.test", "b.test"), {"ok": 0, "ended": 1795409117})
    assert f"supabase_certificate_expiry_timestamp_seconds {(NOW + timedelta(days=30)).timestamp():.15g}\n" in text
    assert "supabase_certificate_placeholder 0\n" in text
    assert "supabase_certificate_names 2\n" in text
    assert program.last_run_of(text) == {"ok": 0, "ended": 1795409117}
    assert program.last_run_of("") == {}


def test_an_account_that_the_authority_forgot_is_put_aside_and_not_lost(settings: Any) -> None:
    (settings.certbot / "accounts").mkdir(parents=True)
    settings.renewal.parent.mkdir()
    settings.renewal.write_text("[renewalparams]\naccount = 1234\nserver = https://ca.test/dir\n")
    program.forget_account(settings)
    assert not (settings.certbot / "accounts").exists()
    assert len(list(settings.certbot.glob("accounts.forgotten-*"))) == 1
    assert settings.renewal.read_text() == "[renewalparams]\nserver = https://ca.test/dir\n"
