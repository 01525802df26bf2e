"""The client libraries that people use, supabase-py and supabase-js, behind the few words that a story needs."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
import postgrest
import supabase
import supabase_auth.errors
from supabase.lib.client_options import SyncClientOptions

from sandbox.home import CACHE
from sandbox.toolchain import npm
from tests.e2e.api import Api

JS = Path(__file__).parent / "supabase_js"

type Row = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the platform's answer, not a mistake
    """What the platform said instead of doing it; `code` is GoTrue's or PostgreSQL's."""

    def __init__(self, code: str | None, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Person(ABC):
    """Somebody with a client of one of the libraries."""

    library: ClassVar[str]

    @abstractmethod
    def sign_up(self, email: str, password: str) -> None: ...

    @abstractmethod
    def sign_in(self, email: str, password: str) -> None: ...

    @abstractmethod
    def refresh(self) -> None: ...

    @abstractmethod
    def refresh_token(self) -> str: ...

    @abstractmethod
    def forget_password(self, email: str) -> None: ...

    @abstractmethod
    def return_from(self, url: str) -> None:
        """Take the session from the address that a link of a mail led to."""

    @abstractmethod
    def sign_in_elsewhere(self, provider: str) -> str:
        """The address that a browser is led to."""

    @abstractmethod
    def set_password(self, password: str) -> None: ...

    @abstractmethod
    def call(self, function: str, **arguments: Any) -> Any: ...

    @abstractmethod
    def read(self, table: str) -> list[Row]: ...

    @abstractmethod
    def write(self, table: str, row: Row) -> Row: ...

    @abstractmethod
    def change(self, table: str, ident: object, row: Row) -> list[Row]: ...

    @abstractmethod
    def remove(self, table: str, ident: object) -> list[Row]: ...


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except supabase_auth.errors.AuthError as error:
        raise Refused(error.code, error.message) from error
    except postgrest.APIError as error:
        raise Refused(error.code, error.message or "") from error


class SupabasePy(Person):
    """supabase-py, as it is, with the token as API key."""

    library = "supabase-py"

    def __init__(self, api: Api) -> None:
        # As the library would make them itself, one for each part and each session, and never close.
        self._connections = httpx.Client(http2=True, follow_redirects=True, timeout=30)
        options = SyncClientOptions(auto_refresh_token=False, httpx_client=self._connections)
        self._client = supabase.create_client(api.url, api.anon_key, options)

    def close(self) -> None:
        """Give the connections back."""
        self._connections.close()

    @_refusals()
    def sign_up(self, email: str, password: str) -> None:
        self._client.auth.sign_up({"email": email, "password": password})

    @_refusals()
    def sign_in(self, email: str, password: str) -> None:
        self._client.auth.sign_in_with_password({"email": email, "password": password})

    @_refusals()
    def refresh(self) -> None:
        self._client.auth.refresh_session()

    def refresh_token(self) -> str:
        session = self._client.auth.get_session()
        assert session is not None
        return session.refresh_token

    @_refusals()
    def forget_password(self, email: str) -> None:
        self._client.auth.reset_password_for_email(email)

    @_refusals()
    def return_from(self, url: str) -> None:
        found = _session_in(url)
        if "code" in found:
            self._client.auth.exchange_code_for_session(
                {"auth_code": found["code"], "code_verifier": "", "redirect_to": ""}
            )
        else:
            self._client.auth.set_session(found["access_token"], found["refresh_token"])

    @_refusals()
    def sign_in_elsewhere(self, provider: Any) -> str:
        return self._client.auth.sign_in_with_oauth({"provider": provider}).url

    @_refusals()
    def set_password(self, password: str) -> None:
        self._client.auth.update_user({"password": password})

    @_refusals()
    def call(self, function: str, **arguments: Any) -> Any:
        return self._client.rpc(function, arguments).execute().data

    @_refusals()
    def read(self, table: str) -> list[Row]:
        return self._rows(self._client.table(table).select("*").execute().data)

    @_refusals()
    def write(self, table: str, row: Row) -> Row:
        (written,) = self._rows(self._client.table(table).insert(row).execute().data)
        return written

    @_refusals()
    def change(self, table: str, ident: object, row: Row) -> list[Row]:
        return self._rows(self._client.table(table).update(row).eq("id", ident).execute().data)

    @_refusals()
    def remove(self, table: str, ident: object) -> list[Row]:
        return self._rows(self._client.table(table).delete().eq("id", ident).execute().data)

    @staticmethod
    def _rows(data: Any) -> list[Row]:
        assert isinstance(data, list)
        return data


class SupabaseJs(Person):
    """supabase-js in Node, as it is, with the opaque API key."""

    library = "supabase-js"

    def __init__(self, api: Api) -> None:
        folder = _installed()
        environment = {
            "SUPABASE_URL": api.url,
            "SUPABASE_KEY": api.publishable_key,
            "NAMESERVER": api.nameserver,
            "NODE_EXTRA_CA_CERTS": str(api.ca_file),
        }
        self._node = subprocess.Popen(
            [npm.node(), "--import", "./names.mjs", "driver.mjs"], cwd=folder, env=os.environ | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def close(self) -> None:
        """End the client's process."""
        self._node.communicate()

    def sign_up(self, email: str, password: str) -> None:
        self._do(["auth"], ["signUp", {"email": email, "password": password}])

    def sign_in(self, email: str, password: str) -> None:
        self._do(["auth"], ["signInWithPassword", {"email": email, "password": password}])

    def refresh(self) -> None:
        self._do(["auth"], ["refreshSession"])

    def refresh_token(self) -> str:
        return str(self._do(["auth"], ["getSession"])["session"]["refresh_token"])

    def forget_password(self, email: str) -> None:
        self._do(["auth"], ["resetPasswordForEmail", email])

    def return_from(self, url: str) -> None:
        found = _session_in(url)
        if "code" in found:
            self._do(["auth"], ["exchangeCodeForSession", found["code"]])
        else:
            self._do(["auth"], ["setSession", found])

    def sign_in_elsewhere(self, provider: str) -> str:
        return str(self._do(["auth"], ["signInWithOAuth", {"provider": provider}])["url"])

    def set_password(self, password: str) -> None:
        self._do(["auth"], ["updateUser", {"password": password}])

    def call(self, function: str, **arguments: Any) -> Any:
        return self._do(["rpc", function, arguments])

    def read(self, table: str) -> list[Row]:
        return list(self._do(["from", table], ["select", "*"]))

    def write(self, table: str, row: Row) -> Row:
        (written,) = self._do(["from", table], ["insert", row], ["select"])
        return dict(written)

    def change(self, table: str, ident: object, row: Row) -> list[Row]:
        return list(self._do(["from", table], ["update", row], ["eq", "id", ident], ["select"]))

    def remove(self, table: str, ident: object) -> list[Row]:
        return list(self._do(["from", table], ["delete"], ["eq", "id", ident], ["select"]))

    def _do(self, *chain: list[Any]) -> Any:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        print(json.dumps(chain), file=self._node.stdin, flush=True)
        answer = self._node.stdout.readline()
        assert answer, "supabase-js ended; what it said is above"
        given = json.loads(answer)
        if given["error"]:
            raise Refused(given["error"].get("code"), given["error"].get("message"))
        return given["data"]


def _session_in(url: str) -> dict[str, str]:
    """A code (PKCE) in the query, or the tokens themselves (implicit flow) in the fragment."""
    split = urlsplit(url)
    found = {name: values[0] for name, values in parse_qs(f"{split.query}&{split.fragment}").items()}
    assert "error" not in found, url
    return found


def _installed() -> Path:
    """A copy of the driver with the locked packages beside it, made once."""
    content = b"".join(path.read_bytes() for path in sorted(JS.iterdir()) if path.is_file())
    folder = CACHE / f"supabase-js-{hashlib.sha256(content).hexdigest()[:12]}"
    if not folder.exists():
        fresh = folder.with_suffix(f".{os.getpid()}")
        npm.install(JS, fresh)
        for program in JS.glob("*.mjs"):
            shutil.copy(program, fresh)
        with contextlib.suppress(OSError):  # another run was first
            fresh.rename(folder)
    return folder
