"""What a rotation refuses, does in which order, and undoes; the stack is a stand-in that remembers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self, cast

import pytest

from infra.secrets import SECRETS
from infra.tokens import key_set, sign, symmetric_key
from ops import rotate as module
from ops.errors import OperatorError
from ops.rotate import GROUPS, by_hand, chosen, passwords_held, refuse_unless_quiet, rotate, token_problems
from ops.stack import Stack

DATABASE = [spec.name for spec in SECRETS if spec.name.startswith("db_")]
PROJECT = "supabase-platform"


@dataclass
class FakeStack:
    """Configuration in, outputs out: a secret's value is its generation. `broken` runs fail that many times."""

    rotations: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    steps: list[dict[str, str]] = field(default_factory=list)
    holder: str | None = None
    broken: int = 0
    runs: list[tuple[str, ...]] = field(default_factory=list)
    name: str = "sandbox"

    def release_lock_of_a_dead_run(self) -> bool:
        return False

    def locked_by(self) -> str | None:
        return self.holder

    def read(self, *words: str) -> str:
        match words:
            case ("preview", *_):
                return json.dumps({"steps": self.steps})
            case ("config", "--json"):
                keys = {"rotations": self.rotations, "finished_rotations": self.finished}
                return json.dumps({f"{PROJECT}:{key}": {"objectValue": numbers} for key, numbers in keys.items()})
            case ("config", "set-all", "--path", *settings):
                for setting in settings[1::2]:
                    key, _, rest = setting.partition(".")
                    name, _, number = rest.partition("=")
                    (self.rotations if key == "rotations" else self.finished)[name] = int(number)
                return ""
            case ("config", "rm", "--path", path):
                key, _, name = path.partition(".")
                del (self.rotations if key == "rotations" else self.finished)[name]
                return ""
        raise AssertionError(words)

    def pulumi(self, *words: str) -> None:
        self.runs.append(words)
        if self.broken:
            self.broken -= 1
            raise OperatorError("pulumi up failed")

    def outputs(self) -> dict[str, Any]:
        facts = []
        for spec in SECRETS:
            generation = self.rotations.get(spec.name, 1)
            open_ = spec.overlap_days is not None and generation > max(1, self.finished.get(spec.name, 0))
            previous = {"made_at": "2025", "finish_by": "2027"} if open_ else None
            facts.append({"name": spec.name, "made_at": "2026", "previous": previous})
        facts.append({"name": "backup_secret_key", "made_at": "2026", "previous": None})
        return {"audit": {"secrets": facts}, "secrets": {**self.rotations}}


def run(stack: FakeStack, asked: str, *, finish: bool = False) -> None:
    rotate(cast("Stack", stack), asked, finish=finish)


type Prove = Callable[..., None]


@pytest.fixture(autouse=True)
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Problems that the proofs find, one per proof; none when the list is empty."""
    found: list[str] = []

    def prove(*_: object) -> None:
        if found and (problem := found.pop(0)):
            raise OperatorError(problem)

    monkeypatch.setattr(module, "prove", prove)
    monkeypatch.setattr(module, "passwords_held", lambda names, _: frozenset(names))
    return found


class FakeServer:
    """A server whose database has passwords for some roles."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.roles = outputs["roles"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def python(self, _program: str, _given: str) -> str:
        return json.dumps(self.roles)


def test_passwords_of_roles_that_come_with_a_later_phase_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Server", FakeServer)
    names = chosen("db_workbench,db_n8n,jwt")
    assert passwords_held(names, {"roles": ["workbench", "postgres"]}) == {"db_workbench"}
    assert passwords_held(names, {"roles": ["workbench", "n8n"]}) == {"db_workbench", "db_n8n"}
    assert passwords_held(("jwt_secret",), {}) == frozenset(), "no server is asked"


def test_a_group_is_all_its_secrets_and_a_name_is_itself() -> None:
    assert list(chosen("db_password")) == DATABASE
    assert chosen("db_workbench") == ("db_workbench",)
    assert chosen("service_role") == ("service_role_key",)
    assert chosen("backup_key") == ("backup_key",)
    assert {name for group in GROUPS for name in chosen(group)} <= {spec.name for spec in SECRETS if spec.rotates}


def test_several_names_are_rotated_in_one_run_and_none_twice() -> None:
    assert chosen("db_workbench,db_password") == ("db_workbench", *(n for n in DATABASE if n != "db_workbench"))
    with pytest.raises(OperatorError, match="SECRET=typo"):
        chosen("jwt,typo")


@pytest.mark.parametrize("asked", ["jwt", "jwt_secret", "jwt,anon"])
def test_a_new_secret_for_tokens_takes_its_tokens_along(asked: str) -> None:
    pair = ("jwt_signing_key",) if "jwt" in asked.split(",") else ()
    assert chosen(asked) == ("jwt_secret", *pair, "anon_key", "service_role_key")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("none", "no such secret; allowed: db_password, jwt, service_role.*db_workbench.*backup_key"),
        ("backup_cipher", "could not read what the old one encrypted"),
        ("pgsodium_key", "could not read what the old one encrypted"),
        ("ssh_host", "a droplet is born with it"),
    ],
)
def test_what_cannot_be_rotated_is_refused_with_the_reason(asked: str, said: str) -> None:
    stack = FakeStack()
    with pytest.raises(OperatorError, match=said):
        run(stack, asked)
    assert stack == FakeStack()


def test_a_rotation_raises_the_numbers_and_runs_once_without_a_second_look() -> None:
    stack = FakeStack(rotations={"db_workbench": 3})
    run(stack, "db_password")
    assert stack.rotations == {**dict.fromkeys(DATABASE, 2), "db_workbench": 4}
    assert [words[0] for words in stack.runs] == ["up"]
    assert "--refresh=false" in stack.runs[0], "the check before it has looked at the server already"


@pytest.mark.parametrize("op", ["update", "create", "delete", "replace"])
def test_a_platform_that_is_not_as_declared_is_refused(op: str) -> None:
    stack = FakeStack(steps=[{"op": "refresh", "urn": "a::x"}, {"op": "same", "urn": "a::y"}])
    refuse_unless_quiet(cast("Stack", stack))
    stack.steps.append({"op": op, "urn": "urn::server"})
    with pytest.raises(OperatorError, match=r"not as declared \(server\).*make up first"):
        run(stack, "jwt")
    assert (stack.rotations, stack.runs) == ({}, [])


def test_a_run_at_work_is_left_alone() -> None:
    stack = FakeStack(holder="process 7 of ops@desk")
    with pytest.raises(OperatorError, match="process 7 of ops@desk works on stack sandbox"):
        run(stack, "jwt")
    assert (stack.rotations, stack.runs) == ({}, [])


def test_a_failed_run_is_undone_with_a_look_at_the_server() -> None:
    stack = FakeStack(rotations={"db_workbench": 3}, broken=1)
    with pytest.raises(OperatorError, match=r"was undone; everything is as before. The reason: pulumi up failed"):
        run(stack, "db_workbench")
    assert stack.rotations == {"db_workbench": 3}
    assert [("--refresh=false" in words) for words in stack.runs] == [True, False]


def test_a_value_that_does_not_work_is_undone(proofs: list[str]) -> None:
    stack = FakeStack()
    proofs += ["workbench cannot log in"]
    with pytest.raises(OperatorError, match=r"undone.*workbench cannot log in"):
        run(stack, "db_workbench")
    assert stack.rotations == {"db_workbench": 1}


def test_an_undoing_that_fails_too_says_what_to_do(proofs: list[str]) -> None:
    stack = FakeStack()
    proofs += ["first", "second"]
    with pytest.raises(OperatorError, match=r"failed \(first\) and so did putting it back \(second\).*run make up"):
        run(stack, "db_workbench")
    assert stack.rotations == {"db_workbench": 1}


def test_an_interrupted_rotation_stays_in_the_configuration_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = FakeStack()

    def interrupt(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "pulumi", interrupt)
    with pytest.raises(OperatorError, match=r"`make up` finishes.*rotations\.db_workbench=1"):
        run(stack, "db_workbench")
    assert stack.rotations == {"db_workbench": 2}


def test_an_overlap_is_finished_before_the_next_rotation() -> None:
    stack = FakeStack()
    run(stack, "jwt")
    with pytest.raises(OperatorError, match="make rotate SECRET=jwt FINISH=1"):
        run(stack, "jwt")
    with pytest.raises(OperatorError, match="service_role_key is still accepted"):
        run(stack, "service_role")
    run(stack, "jwt", finish=True)
    assert stack.finished == dict.fromkeys(chosen("jwt"), 2)
    run(stack, "jwt")
    assert stack.rotations == dict.fromkeys(chosen("jwt"), 3)


def test_finishing_what_is_not_open_is_refused() -> None:
    with pytest.raises(OperatorError, match="nothing to finish"):
        run(FakeStack(), "db_password", finish=True)


def test_a_finishing_that_fails_leaves_the_overlap_open() -> None:
    stack = FakeStack()
    run(stack, "service_role")
    stack.broken = 1
    with pytest.raises(OperatorError, match="undone"):
        run(stack, "service_role", finish=True)
    assert stack.finished == {}


def test_what_to_type_by_hand_is_one_command() -> None:
    assert by_hand("rotations", {"a": 1, "b": 2}) == (
        "pulumi config set-all --path --plaintext rotations.a=1 --plaintext rotations.b=2"
    )


def test_tokens_are_verified_with_the_keys_that_services_get() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    old, new = symmetric_key("1" * 64), symmetric_key("2" * 64)
    claims = {"role": "anon", "exp": now.timestamp() + 60}
    secrets = {"anon_key": sign(claims, new), "anon_key_previous": sign(claims, old)}
    assert token_problems(["anon_key"], {**secrets, "jwks": key_set([new, old])}, now) == []
    (problem,) = token_problems(["anon_key"], {**secrets, "jwks": key_set([new])}, now)
    assert problem == "anon_key_previous: its key is not in the key set"
    assert token_problems(["jwt_secret"], {"jwks": key_set([new])}, now) == []
