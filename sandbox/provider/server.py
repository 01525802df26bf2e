"""The pulumirpc.ResourceProvider service."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any, override

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from sandbox import machine
from sandbox.cloud.account import Account, ApiError
from sandbox.cloud.kind import UNKNOWN, Kind, Values
from sandbox.cloud.kinds import KINDS
from sandbox.errors import SandboxError
from sandbox.provider import rules
from sandbox.provider.values import dump, load
from sandbox.tidy import tidy

_SECRET_CONFIG = {
    "token": "DIGITALOCEAN_TOKEN",
    "spacesAccessId": "SPACES_ACCESS_KEY_ID",
    "spacesSecretKey": "SPACES_SECRET_ACCESS_KEY",
}


def _people_errors[Request, Response](
    call: "Callable[[Provider, Request, grpc.ServicerContext], Response]",
) -> "Callable[[Provider, Request, grpc.ServicerContext], Response]":
    """Turn the account's refusals into gRPC errors, which the engine shows as they are."""

    def wrapped(self: "Provider", request: Request, context: grpc.ServicerContext) -> Response:
        try:
            return call(self, request, context)
        except SandboxError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise AssertionError("abort raises") from None

    return wrapped


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one account to one engine."""

    def __init__(self, account: Account) -> None:
        """Serve `account`."""
        self._account = account

    @override
    @_people_errors
    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Agree on the protocol; secrets are left to the engine, which then keeps them secret in its state."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=False, accept_resources=False, accept_outputs=False
        )

    @override
    @_people_errors
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Name the version of the real plugin whose place this one takes."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-digitalocean"))

    @override
    @_people_errors
    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Accept any configuration of the real provider."""
        return provider_pb2.CheckResponse(inputs=request.news)

    @override
    @_people_errors
    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A changed token replaces nothing."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    @override
    @_people_errors
    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the credentials and put crashed droplets back on their feet, as a hypervisor does."""
        given = load(request.args)
        credentials = {
            name: str(given.get(name) or os.environ.get(variable) or "") for name, variable in _SECRET_CONFIG.items()
        }
        if not credentials["token"] and given.get("token") is not UNKNOWN:
            raise ApiError(401, "Unable to authenticate you; set DIGITALOCEAN_TOKEN (for the sandbox: make env)")
        self._account.spaces_credentials = credentials["spacesAccessId"], credentials["spacesSecretKey"]
        machine.resume(self._account.home, self._account.state)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    @override
    @_people_errors
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Validate inputs and complete names."""
        kind, old = _kind(request.urn), load(request.olds)
        if old:
            self._confirm_only(kind, request.urn)
        inputs = rules.fill_names(kind, request.urn, request.randomSeed, old, load(request.news))
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in rules.check(kind, inputs)
        ]
        return provider_pb2.CheckResponse(inputs=dump(inputs), failures=failures)

    @override
    @_people_errors
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tell what an update would change, and what it would replace."""
        kind, old, new = _kind(request.urn), load(request.old_inputs), load(request.news)
        self._confirm(kind, request.id, request.urn)
        ignored = set(request.ignoreChanges)
        changes = [prop for prop in rules.changed(kind, old, new) if prop.name not in ignored]
        if changes and not any(prop.replaces for prop in changes):
            kind.check_change(old, new)
        diff = provider_pb2.PropertyDiff
        details = {}
        for prop in changes:
            word = "ADD" if prop.name not in old else "DELETE" if prop.name not in new else "UPDATE"
            details[prop.name] = diff(
                kind=diff.Kind.Value(word + ("_REPLACE" if prop.replaces else "")), inputDiff=True
            )
        replaces = [prop.name for prop in changes if prop.replaces]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=[prop.name for prop in changes],
            replaces=replaces,
            detailedDiff=details,
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces) and rules.deletes_first(kind, old, new),
        )

    @override
    @_people_errors
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Make a resource; what an interrupted run left of it is removed first."""
        kind, inputs = _kind(request.urn), load(request.properties)
        if request.preview:
            unknown = {name: UNKNOWN for name in kind.computed if name not in inputs}
            return provider_pb2.CreateResponse(properties=dump(inputs | unknown | kind.preview(inputs)))
        with self._one_at_a_time(request.urn):
            self._remove_leftovers(kind, request.urn)
            try:
                ident = kind.create(self._account, inputs, request.urn)
            except SandboxError:
                self._remove_leftovers(kind, request.urn)
                raise
            return provider_pb2.CreateResponse(id=ident, properties=dump(self._outputs(kind, ident, inputs)))

    @override
    @_people_errors
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tell the resource as it is now, or nothing if it is gone; with only an id, for an import."""
        kind, known = _kind(request.urn), load(request.inputs)
        if self._account.find(kind.collection, request.id) is None or not kind.is_there(self._account, request.id):
            return provider_pb2.ReadResponse()
        self._confirm(kind, request.id, request.urn)
        outputs = self._outputs(kind, request.id, load(request.properties))
        if known:
            inputs = {name: outputs.get(name, value) for name, value in known.items()}
        else:
            names = [prop.name for prop in kind.properties if not prop.write_only]
            inputs = {name: outputs[name] for name in names if outputs.get(name) not in (None, "", [], {}, False)}
        return provider_pb2.ReadResponse(id=request.id, properties=dump(outputs), inputs=dump(inputs))

    @override
    @_people_errors
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change a resource in place."""
        kind, inputs = _kind(request.urn), load(request.news)
        kind.check_change(load(request.old_inputs), inputs)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=dump(load(request.olds) | inputs | kind.preview(inputs)))
        with self._one_at_a_time(request.urn):
            self._confirm(kind, request.id, request.urn)
            kind.update(self._account, request.id, inputs)
            return provider_pb2.UpdateResponse(properties=dump(self._outputs(kind, request.id, inputs)))

    @override
    @_people_errors
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Remove a resource, and with the last one everything the sandbox runs."""
        with self._one_at_a_time(request.urn):
            _kind(request.urn).delete(self._account, request.id)
        tidy(self._account)
        return empty_pb2.Empty()

    @override
    @_people_errors
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Look-up functions are not offered: everything the platform uses, it declares."""
        raise SandboxError(f"the sandbox does not offer the function {request.tok}")

    @override
    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Let running operations end: each is short, and an ended one is easier to continue from."""
        return empty_pb2.Empty()

    @override
    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Accept a debugging engine."""
        return empty_pb2.Empty()

    def _outputs(self, kind: Kind, ident: str, inputs: Values) -> Values:
        """Everything the API tells, and of what it does not tell, what the program said."""
        kept = {prop.name: inputs[prop.name] for prop in kind.properties if prop.name in inputs}
        return kept | kind.outputs(self._account, self._account.get(kind.collection, ident))

    @contextlib.contextmanager
    def _one_at_a_time(self, urn: str) -> Iterator[None]:
        """Wait for another process, perhaps one whose engine was killed, that still works on this resource."""
        with self._account.state.locked(f"urn-{hashlib.sha256(urn.encode()).hexdigest()[:16]}"):
            yield

    def _remove_leftovers(self, kind: Kind, urn: str) -> None:
        """Remove resources of this URN that no engine ever learned of: their creation was interrupted."""
        for ident, record in self._account.state.read().get(kind.collection, {}).items():
            if record["urn"] == urn and not record["confirmed"]:
                kind.delete(self._account, ident)

    def _confirm(self, kind: Kind, ident: str, urn: str) -> None:
        """The engine named the resource by its id, so it has it in its state."""
        record = self._account.find(kind.collection, ident)
        if record is None or (record["confirmed"] and record["urn"] == urn):
            return
        with self._account.state.change() as state:
            if ident in state.get(kind.collection, {}):
                state[kind.collection][ident].update(confirmed=True, urn=urn)

    def _confirm_only(self, kind: Kind, urn: str) -> None:
        """The engine knows a resource of this URN; if only one exists, that is the one."""
        matching = [
            ident
            for ident, record in self._account.state.read().get(kind.collection, {}).items()
            if record["urn"] == urn
        ]
        if len(matching) == 1:
            self._confirm(kind, matching[0], urn)


def _kind(urn: str) -> Kind:
    token = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
    if token not in KINDS:
        raise SandboxError(f"the sandbox does not offer the resource type {token}; it has: {', '.join(sorted(KINDS))}")
    return KINDS[token]
