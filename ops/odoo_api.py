"""Odoo's external API with an API key: JSON-2 where the server has it (19 and later), /jsonrpc before that."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ops.errors import OperatorError

FIRST_WITH_JSON2 = 19
_TIMEOUT_SECONDS = 60
_HIDES_ARCHIVED = {"active_test": False}

Row = dict[str, Any]


class OdooError(OperatorError):
    """Odoo refused a call: the name of its exception, and what it said."""

    def __init__(self, doing: str, status: int, name: str, message: str) -> None:
        super().__init__(f"{doing}: Odoo answered {status} {name}: {message}")
        self.status, self.name, self.message = status, name, message


class Transport(Protocol):
    """One way to call a method of a model; `ids` are the records it is called on."""

    def call(self, model: str, method: str, ids: Sequence[int] | None, arguments: Mapping[str, Any], /) -> Any:
        """What the method answered."""
        ...


class Json2:
    """POST /json/2/MODEL/METHOD with named arguments; errors have their own HTTP status."""

    def __init__(self, url: str, database: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"bearer {key}", "X-Odoo-Database": database}

    def call(self, model: str, method: str, ids: Sequence[int] | None, arguments: Mapping[str, Any], /) -> Any:
        """What the method answered."""
        body = dict(arguments) if ids is None else {**arguments, "ids": list(ids)}
        return _post(f"{self._url}/json/2/{model}/{method}", body, self._headers, f"{model}.{method}")


class JsonRpc:
    """POST /jsonrpc with the key as the user's password; every error comes as HTTP 200."""

    def __init__(self, url: str, database: str, user: str, key: str) -> None:
        self._url, self._database, self._key = url.rstrip("/"), database, key
        self._uid = self._ask("common", "authenticate", [database, user, key, {}], "authenticate")
        if not self._uid:
            raise OdooError("authenticate", 200, "AccessDenied", f"{user} is unknown or the key is not theirs")

    def call(self, model: str, method: str, ids: Sequence[int] | None, arguments: Mapping[str, Any], /) -> Any:
        """What the method answered."""
        named = dict(arguments)
        positional: list[Any] = [] if ids is None else [list(ids)]
        # Up to 18, create looks at its first argument before it knows names.
        if method == "create":
            positional.append(named.pop("vals_list"))
        asked = [self._database, self._uid, self._key, model, method, positional, named]
        return self._ask("object", "execute_kw", asked, f"{model}.{method}")

    def _ask(self, service: str, method: str, arguments: Sequence[Any], doing: str) -> Any:
        parameters = {"service": service, "method": method, "args": arguments}
        body = {"jsonrpc": "2.0", "method": "call", "params": parameters, "id": 1}
        answer = _post(f"{self._url}/jsonrpc", body, {}, doing)
        if "error" in answer:
            told = answer["error"].get("data", {})
            raise OdooError(doing, 200, str(told.get("name", "error")), str(told.get("message", "")))
        return answer["result"]


class Odoo:
    """A server, as one of its users."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **arguments: Any) -> Any:
        """Call a method of a model, on some of its records or (None) on the model itself."""
        return self._transport.call(model, method, ids, arguments)

    def create(self, model: str, rows: Sequence[Mapping[str, Any]], **context: Any) -> list[int]:
        """Make records; returns their ids."""
        made: list[int] = self.call(model, "create", vals_list=list(rows), context=context)
        return made

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any], **context: Any) -> None:
        """Set fields of records."""
        self.call(model, "write", ids, vals=dict(values), context=context)

    def unlink(self, model: str, ids: Sequence[int]) -> None:
        """Delete records."""
        self.call(model, "unlink", ids)

    def search(self, model: str, domain: Sequence[Any], limit: int | None = None) -> list[int]:
        """The ids of records, archived ones too, in their order."""
        found: list[int] = self.call(
            model, "search", domain=list(domain), order="id", limit=limit, context=_HIDES_ARCHIVED
        )
        return found

    def read(self, model: str, domain: Sequence[Any], fields: Sequence[str], *, page: int = 1000) -> list[Row]:
        """Every record of a domain, archived ones too, in the order of the ids; related records as plain ids."""
        rows: list[Row] = []
        while True:
            beyond = [("id", ">", rows[-1]["id"])] if rows else []
            got: list[Row] = self.call(
                model, "search_read", domain=[*domain, *beyond], fields=list(fields), order="id", limit=page,
                load=None, context=_HIDES_ARCHIVED,
            )  # fmt: skip
            rows += got
            if len(got) < page:
                return rows


def connect(url: str, database: str, user: str, key: str) -> Odoo:
    """Speak to a server the way its version wants."""
    if major_version(url) >= FIRST_WITH_JSON2:
        return Odoo(Json2(url, database, key))
    return Odoo(JsonRpc(url, database, user, key))


def major_version(url: str) -> int:
    """What the server says of itself to anybody: 19, also where it calls itself saas~19."""
    answer = _post(
        f"{url.rstrip('/')}/web/webclient/version_info", {"jsonrpc": "2.0", "params": {}}, {}, "version_info"
    )
    return int(str(answer["result"]["server_version_info"][0]).removeprefix("saas~"))


def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str], doing: str) -> Any:
    if not url.startswith(("http://", "https://")):
        raise OperatorError(f"{url} is no address of an Odoo server; it starts with https://")
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        # What Odoo adds for developers, the call stack, is left out.
        with error:
            name, message = _told(error.read())
        raise OdooError(doing, error.code, name, message) from None
    except (OSError, http.client.HTTPException, ssl.SSLError, json.JSONDecodeError) as error:
        raise OperatorError(f"{doing}: {url} does not answer as Odoo does: {error}") from None


def _told(body: bytes) -> tuple[str, str]:
    try:
        told = json.loads(body)
        return str(told["name"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        return "error", body[:200].decode(errors="replace")
