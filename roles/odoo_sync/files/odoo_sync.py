"""Carries pages from Odoo to the database until nothing is due: the engine `worker` of the synchronisation.

The database decides everything: `sync.next_request` says what to ask for, `sync.ingest` takes the answer and says what
to ask next, `sync.fail` keeps why a model could not be read. n8n's workflows call the same three functions. One call of
this program is one round over all models; a timer starts it again. Nothing is kept here: it may be killed at any time.

Variables: ODOO_URL, ODOO_DATABASE, ODOO_USER (before Odoo 19 only) and libpq's (PGHOST, PGUSER, PGPASSFILE and so on).
The API key is the file `odoo_api_key` in the folder that CREDENTIALS_DIRECTORY names. Exit status: 0 when every model
was read, 1 when one could not be (the dead letters say why), 2 when nothing could be started.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

TIMEOUT_SECONDS = 60
# The first version with JSON-2, where the key is in a header and not in the body.
JSON_2 = 19


class OdooError(Exception):
    """Odoo could not be asked, or refused; the message says which, without keys and without records."""


@dataclass(frozen=True)
class Answer:
    """What Odoo said, and when by its own clock (the header `Date`)."""

    content: Any
    date: str | None


@dataclass(frozen=True)
class Odoo:
    """The Odoo that is read."""

    url: str
    database: str
    user: str
    key: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Odoo":
        """Raises KeyError or OSError where something is missing."""
        key = Path(environment["CREDENTIALS_DIRECTORY"], "odoo_api_key").read_text(encoding="utf-8").strip()
        return cls(
            environment["ODOO_URL"].rstrip("/"), environment["ODOO_DATABASE"], environment.get("ODOO_USER", ""), key
        )

    def post(self, path: str, body: Any) -> Answer:
        """Post JSON and return the JSON that was answered."""
        headers = {"Content-Type": "application/json", "X-Odoo-Database": self.database}
        if path.startswith("/json/2/"):
            headers["Authorization"] = f"bearer {self.key}"
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)  # noqa: S310 - a checked setting
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return Answer(json.load(answer), answer.headers.get("Date"))
        except urllib.error.HTTPError as error:
            raise OdooError(f"{path}: HTTP {error.code}: {_reason(error.read())}") from None
        except (OSError, ValueError) as error:
            raise OdooError(f"{path}: {error}") from None

    def version(self) -> dict[str, Any]:
        """What the server says it is."""
        answer = self.post("/web/webclient/version_info", {"jsonrpc": "2.0", "params": {}}).content
        if not isinstance(answer, dict) or not isinstance(answer.get("result"), dict):
            raise OdooError("/web/webclient/version_info: no version in the answer; is this an Odoo?")
        return dict(answer["result"])

    def login(self) -> int:
        """The number of the user, which JSON-RPC wants with every call."""
        arguments = [self.database, self.user, self.key, {}]
        answer = self.post("/jsonrpc", _call("common", "authenticate", arguments)).content
        uid = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(uid, int) or isinstance(uid, bool):
            raise OdooError(f"/jsonrpc: Odoo does not know the user {self.user!r} with this key")
        return uid


def _call(service: str, method: str, arguments: list[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "call", "params": {"service": service, "method": method, "args": arguments}}


def _reason(body: bytes) -> str:
    """Odoo's message without the traceback that comes with it."""
    try:
        said = json.loads(body)
    except ValueError:
        return "no reason given"
    return str(said.get("message", "no reason given"))[:500] if isinstance(said, dict) else "no reason given"


def filled_in(body: Any, odoo: Odoo, uid: int | None) -> Any:
    """A request with what only the caller knows in the place of the words that stand for it."""
    params = body.get("params") if isinstance(body, dict) else None
    if params is None:
        return body
    known = {"$database": odoo.database, "$uid": uid, "$key": odoo.key}
    arguments = [known.get(value, value) if isinstance(value, str) else value for value in params["args"]]
    return {**body, "params": {**params, "args": arguments}}


class Database:
    """The functions of the schema `sync`, each call a transaction of its own."""

    def __init__(self, session: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._session = session

    def models(self) -> list[str]:
        """The models in the order that they are read in."""
        return [name for (name,) in self._session.execute("select sync.models()").fetchall()]

    def next_request(self, model: str, version: dict[str, Any]) -> dict[str, Any]:
        """What to ask Odoo for: path, body and `more`, or why there is nothing to ask now."""
        return self._ask("select sync.next_request(%s, 'poll', %s::jsonb)", model, json.dumps(version))

    def ingest(self, run: int, answer: Answer) -> dict[str, Any]:
        """Hand a page over; returns what to ask next, or what the run brought."""
        return self._ask("select sync.ingest(%s, %s::jsonb, %s)", run, json.dumps(answer.content), answer.date)

    def fail(self, model: str, message: str) -> None:
        """End the run of a model as failed."""
        self._session.execute("select sync.fail(%s, %s)", (model, message))

    def _ask(self, query: str, *values: object) -> dict[str, Any]:
        (answer,) = self._session.execute(query.encode(), values).fetchall()
        return dict(answer[0])


def read_model(database: Database, odoo: Odoo, model: str, version: dict[str, Any], uid: int | None) -> dict[str, Any]:
    """Read one model until nothing is due; returns what the last step said."""
    step = database.next_request(model, version)
    while step["more"]:
        answer = odoo.post(step["path"], filled_in(step["body"], odoo, uid))
        step = database.ingest(step["run"], answer)
        if step.get("again"):
            step = database.next_request(model, version)
    return step


def report(model: str, step: dict[str, Any]) -> str | None:
    """A line for the journal; none where nothing happened."""
    if "wait" in step:
        return f"{model}: {step['wait']}"
    counts = [f"{step[name]} {name}" for name in ("changed", "removed", "dead") if step.get(name)]
    return f"{model}: {', '.join(counts)}" if counts else None


def main() -> int:
    """One round; returns the exit status."""
    try:
        odoo = Odoo.from_environment(os.environ)
    except (KeyError, OSError) as error:
        print(f"not configured: {error}", file=sys.stderr)
        return 2
    try:
        session = psycopg.connect(autocommit=True)
    except psycopg.OperationalError as error:
        print(f"no database: {error}", file=sys.stderr)
        return 2
    failed = False
    with session:
        database = Database(session)
        try:
            version = odoo.version()
            uid = odoo.login() if int(version["server_version_info"][0]) < JSON_2 else None
        except OdooError as error:
            for model in database.models():
                database.fail(model, str(error))
            print(f"Odoo does not answer as it should: {error}", file=sys.stderr)
            return 1
        for model in database.models():
            try:
                line = report(model, read_model(database, odoo, model, version, uid))
            except (OdooError, psycopg.DatabaseError) as error:
                if isinstance(error, psycopg.OperationalError) and session.closed:
                    print(f"{model}: the database went away: {error}", file=sys.stderr)
                    return 1
                message = error.diag.message_primary if isinstance(error, psycopg.Error) else str(error)
                database.fail(model, message or "the database refused")
                line, failed = f"{model}: failed: {message}", True
            if line:
                print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
