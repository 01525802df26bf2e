"""The provider's protocol, on resource types that live in the state file alone."""

from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2

from sandbox.cloud.account import Account
from sandbox.provider import server
from sandbox.provider.server import Provider
from sandbox.provider.values import dump, load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC320+1SvvZMVth70VeRu4uzyuPYr7+0SZvPQw91QU32 test"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrU9okKmRbmXlxfn/xwbIQCXqA/ur9GlkM/MvwERp+I test"
URN = "urn:pulumi:test::project::digitalocean:index/sshKey:SshKey::key"
CHECK_URN = "urn:pulumi:test::project::digitalocean:index/uptimeCheck:UptimeCheck::check"


class RefusedError(Exception):
    """What a gRPC client would see."""


class Context:
    def abort(self, _code: grpc.StatusCode, details: str) -> NoReturn:
        raise RefusedError(details)


@pytest.fixture
def provider(account: Account, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(server, "tidy", lambda _account: None)
    return Provider(account)


def ask(provider: Provider, call: str, urn: str = URN, **fields: Any) -> Any:
    requests = {
        "Check": provider_pb2.CheckRequest, "Diff": provider_pb2.DiffRequest, "Create": provider_pb2.CreateRequest,
        "Read": provider_pb2.ReadRequest, "Update": provider_pb2.UpdateRequest, "Delete": provider_pb2.DeleteRequest,
    }  # fmt: skip
    packed = {name: dump(value) if isinstance(value, dict) else value for name, value in fields.items()}
    return getattr(provider, call)(requests[call](urn=urn, **packed), Context())


def create(provider: Provider, public_key: str = KEY, name: str = "key") -> str:
    ident: str = ask(provider, "Create", properties={"name": name, "publicKey": public_key}).id
    return ident


def keys(account: Account) -> list[str]:
    return list(account.state.read()["ssh_keys"])


def test_preview_makes_nothing_and_leaves_outputs_unknown(provider: Provider, account: Account) -> None:
    answer = ask(provider, "Create", properties={"name": "key", "publicKey": KEY}, preview=True)
    assert answer.id == ""
    assert answer.properties["fingerprint"] == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert not account.home.state_file.exists()


def test_created_resource_is_read_updated_and_deleted(provider: Provider) -> None:
    ident = create(provider)
    inputs = {"name": "renamed", "publicKey": KEY}
    ask(provider, "Update", id=ident, old_inputs={"name": "key", "publicKey": KEY}, news=inputs)
    answer = ask(provider, "Read", id=ident)
    assert load(answer.inputs) == inputs
    assert load(answer.properties)["fingerprint"].count(":") == 15
    ask(provider, "Delete", id=ident)
    assert ask(provider, "Read", id=ident).id == ""


def test_deleting_what_is_gone_is_no_error(provider: Provider) -> None:
    ask(provider, "Delete", id="1")


def test_creation_removes_what_an_interrupted_one_left(provider: Provider, account: Account) -> None:
    first = create(provider)
    second = create(provider)
    assert keys(account) == [second]
    assert first != second


@pytest.mark.parametrize("call", ["Diff", "Read", "Update"])
def test_resource_the_engine_named_is_never_a_leftover(provider: Provider, account: Account, call: str) -> None:
    first = create(provider)
    inputs = {"name": "key", "publicKey": KEY}
    fields: dict[str, dict[str, Any]] = {
        "Diff": {"old_inputs": inputs, "news": inputs},
        "Update": {"old_inputs": inputs, "news": inputs},
    }
    ask(provider, call, id=first, **fields.get(call, {}))
    second = create(provider, OTHER_KEY)
    assert keys(account) == [first, second]


def test_known_inputs_confirm_an_only_resource(provider: Provider, account: Account) -> None:
    """As in `pulumi up --replace`, which asks for no difference before it creates."""
    first = create(provider)
    ask(provider, "Check", olds={"publicKey": KEY}, news={"name": "key", "publicKey": KEY})
    second = create(provider, OTHER_KEY)
    assert keys(account) == [first, second]


def test_leftover_beside_a_confirmed_resource_is_removed(provider: Provider, account: Account) -> None:
    inputs = {"name": "key", "publicKey": KEY}
    first = create(provider)
    ask(provider, "Diff", id=first, old_inputs=inputs, news=inputs)
    create(provider, OTHER_KEY)
    ask(provider, "Check", olds=inputs, news=inputs)
    third = create(provider, OTHER_KEY)
    assert keys(account) == [first, third]


def test_refused_creation_leaves_nothing(provider: Provider, account: Account) -> None:
    alert = "urn:pulumi:test::project::digitalocean:index/uptimeAlert:UptimeAlert::alert"
    with pytest.raises(RefusedError, match="API error 404: uptime check nowhere could not be found"):
        ask(provider, "Create", alert, properties={"name": "a", "checkId": "nowhere", "type": "down"})
    assert not account.state.read().get("uptime_alerts")


def test_duplicate_is_refused_as_the_api_does(provider: Provider) -> None:
    ident = create(provider)
    ask(provider, "Read", id=ident)
    with pytest.raises(RefusedError, match="API error 422: SSH Key is already in use on your account"):
        create(provider)


def test_diff_names_what_changes_and_what_replaces(provider: Provider) -> None:
    old = {"name": "key", "publicKey": KEY}
    answer = ask(provider, "Diff", id="1", old_inputs=old, news=old | {"publicKey": OTHER_KEY})
    assert (list(answer.diffs), list(answer.replaces), answer.deleteBeforeReplace) == (
        ["publicKey"],
        ["publicKey"],
        True,
    )
    answer = ask(provider, "Diff", id="1", old_inputs=old, news=old | {"name": "other"})
    assert (list(answer.diffs), list(answer.replaces)) == (["name"], [])
    assert ask(provider, "Diff", id="1", old_inputs=old, news=old).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_shrinking_volume_is_refused_at_preview(provider: Provider) -> None:
    urn = "urn:pulumi:test::project::digitalocean:index/volume:Volume::data"
    old = {"name": "data", "region": "fra1", "size": 500}
    with pytest.raises(RefusedError, match="can only be expanded and not shrunk"):
        ask(provider, "Diff", urn, id="1", old_inputs=old, news=old | {"size": 100})


def test_check_reports_every_failure(provider: Provider) -> None:
    answer = ask(provider, "Check", CHECK_URN, news={"target": "nowhere", "type": "gopher"})
    assert sorted(failure.property for failure in answer.failures) == ["target", "type"]
    assert load(answer.inputs)["name"].startswith("check-")


def test_unknown_type_says_what_there_is(provider: Provider) -> None:
    with pytest.raises(RefusedError, match=r"does not offer the resource type .*Kubernetes.*; it has: .*Droplet"):
        ask(provider, "Check", "urn:pulumi:t::p::digitalocean:index/kubernetesCluster:KubernetesCluster::k", news={})


def test_missing_token_says_how_to_get_one(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGITALOCEAN_TOKEN", raising=False)
    with pytest.raises(RefusedError, match="DIGITALOCEAN_TOKEN"):
        provider.Configure(provider_pb2.ConfigureRequest(args=struct_pb2.Struct()), Context())


def test_secrets_are_left_to_the_engine(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    answer = provider.Configure(provider_pb2.ConfigureRequest(args=struct_pb2.Struct()), Context())
    assert answer.acceptSecrets is False
