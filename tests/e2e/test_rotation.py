"""Secrets change under load: no connected client notices, a new login has a password at every moment."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from infra.tokens import TokenError, verify
from ops.connect import Server
from ops.rotate import chosen
from ops.stack import ROOT
from tests.e2e.clients import at_work
from tests.e2e.platform import Platform

PAUSE_SECONDS = 0.02
LOOK_SECONDS = 2.0
ROLE, SECRET = "workbench", "db_workbench"
# More than the pooler has open for them, so that it must open sessions with whatever it holds after the change.
CONNECTED = 6


def login(port: int, password: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host="127.0.0.1", port=port, dbname="postgres", user=ROLE, password=password, sslmode="require",
        autocommit=True, prepare_threshold=None, connect_timeout=10,
    )  # fmt: skip


@dataclass
class Store:
    """Where clients get their password: the stack's state, looked at every two seconds."""

    platform: Platform
    latest: str

    def watch(self) -> Generator[None]:
        while True:
            state = json.loads(self.platform.stack.read("stack", "export", "--show-secrets"))
            (row,) = [r for r in state["deployment"]["resources"] if r["urn"].endswith(f"::secret-{SECRET}")]
            self.latest = json.loads(row["outputs"]["value"]["plaintext"])
            yield


@dataclass
class Seen:
    """What the clients saw."""

    queries: int = 0
    query_errors: list[str] = field(default_factory=list)
    slowest_query: float = 0.0
    logins: int = 0
    refused: int = 0
    failed_logins: list[str] = field(default_factory=list)
    longest_without_login: float = 0.0


def stay(seen: Seen, session: psycopg.Connection[Any]) -> Generator[None]:
    """Query on a session that was there before."""
    while True:
        began = time.monotonic()
        try:
            session.execute("select 1")
            seen.queries += 1
        except psycopg.Error as error:
            seen.query_errors.append(str(error))
        seen.slowest_query = max(seen.slowest_query, time.monotonic() - began)
        yield


def come_back(seen: Seen, store: Store, port: int, held: str) -> str:
    """One new login: with the password at hand, when it is refused with the store's. Returns the one that works."""
    began = time.monotonic()
    for password in (held, store.latest):
        try:
            login(port, password).close()
        except psycopg.OperationalError as error:
            if "authentication failed" not in str(error):
                seen.failed_logins.append(str(error))
                return held
            seen.refused += 1
        else:
            seen.logins += 1
            seen.longest_without_login = max(seen.longest_without_login, time.monotonic() - began)
            return password
    seen.failed_logins.append("neither the password at hand nor the store's was taken")
    return held


def keep_coming_back(seen: Seen, store: Store, port: int) -> Generator[None]:
    """Log in anew, each time with the password that worked last."""
    held = store.latest
    while True:
        held = come_back(seen, store, port, held)
        yield


def make_rotate(secret: str, *more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "rotate", f"SECRET={secret}", *more], cwd=ROOT, env=environment, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _others_see_the_new_secrets(platform: Platform) -> Iterator[None]:
    yield
    platform.outputs.update(platform.now())


@pytest.fixture(scope="module")
def rotated(platform: Platform, server: Server) -> tuple[Seen, dict[str, Any], dict[str, Any], str]:
    """Everything that can be rotated in the database and the tokens, in one run, with clients at work."""
    before, seen = platform.now(), Seen()
    store = Store(platform, before["secrets"][SECRET])
    with server.forward("pgbouncer") as port, ExitStack() as opened:
        sessions = [opened.enter_context(closing(login(port, before["secrets"][SECRET]))) for _ in range(CONNECTED)]
        for session in sessions:
            session.execute("select 1")
        with (
            at_work(stay(seen, sessions[0]), keep_coming_back(seen, store, port), pause=PAUSE_SECONDS),
            at_work(store.watch(), pause=LOOK_SECONDS),
        ):
            said = make_rotate("db_password,jwt")
            time.sleep(LOOK_SECONDS)
        # All at once, so that the pooler needs a session of the server for each.
        at_once = [threading.Thread(target=session.execute, args=("select pg_sleep(1)",)) for session in sessions]
        began = time.monotonic()
        for thread in at_once:
            thread.start()
        for thread in at_once:
            thread.join()
        took = time.monotonic() - began
        assert took < CONNECTED - 1, f"{took:.1f} s: the sessions waited for one another, so none was opened"
        for session in sessions:
            assert session.execute("select session_user").fetchone() == (ROLE,)
    return seen, before, platform.now(), said


type Rotated = tuple[Seen, dict[str, Any], dict[str, Any], str]


def test_connected_clients_notice_nothing(rotated: Rotated) -> None:
    seen, _, _, _ = rotated
    print(seen)
    assert seen.query_errors == []
    assert seen.queries > 200, "the client hardly ran, so its silence proves nothing"


def test_a_new_login_has_a_password_at_every_moment(rotated: Rotated) -> None:
    seen, _, _, _ = rotated
    assert seen.failed_logins == []
    assert seen.logins > 100, "the client hardly ran, so its silence proves nothing"
    assert seen.refused == 1, "once the old password is refused; then the client has the new one"


def test_everything_is_new_and_nothing_was_shown(rotated: Rotated, platform: Platform) -> None:
    _, before, after, said = rotated
    public = {before["secrets"]["anon_key"], after["secrets"]["anon_key"]}
    state = platform.stack.read("stack", "export")
    for name in chosen("db_password,jwt"):
        assert after["secrets"][name] != before["secrets"][name], name
        for value in {after["secrets"][name], before["secrets"][name]} - public:
            assert value not in said, f"{name} was shown"
            assert value not in state, f"{name} is in clear in the state"


def test_the_old_password_is_refused(rotated: Rotated, server: Server) -> None:
    _, before, after, _ = rotated
    for component in ("pgbouncer", "postgresql"):
        with server.forward(component) as port:
            login(port, after["secrets"][SECRET]).close()
            with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                login(port, before["secrets"][SECRET])


def test_tokens_of_both_keys_verify_until_the_rotation_is_finished(rotated: Rotated, platform: Platform) -> None:
    _, before, after, _ = rotated
    names, now = ("anon_key", "service_role_key"), datetime.now(UTC)
    for token in [*(before["secrets"][name] for name in names), *(after["secrets"][name] for name in names)]:
        verify(token, after["secrets"]["jwks"], now)
    assert {row["name"] for row in after["audit"]["secrets"] if row["previous"]} == {
        "jwt_secret", "jwt_signing_key", *names,
    }  # fmt: skip
    make_rotate("jwt", "FINISH=1")
    finished = platform.now()
    for name in names:
        verify(finished["secrets"][name], finished["secrets"]["jwks"], now)
        assert finished["secrets"][name] == after["secrets"][name]
        with pytest.raises(TokenError, match="not in the key set"):
            verify(before["secrets"][name], finished["secrets"]["jwks"], now)
    assert not [row["name"] for row in finished["audit"]["secrets"] if row["previous"]]
