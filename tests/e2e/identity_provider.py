"""A place to sign in with, as GitHub Enterprise is one: OAuth 2 and the part of the API that tells who somebody is."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit


@dataclass
class Provider:
    """Knows one client and one person, who always agrees."""

    url: str
    client_id: str
    client_secret: str
    email: str
    codes: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)

    def authorize(self, asked: dict[str, str]) -> str | None:
        """Where the browser goes on to, with a code that is good once."""
        if asked.get("client_id") != self.client_id:
            return None
        code = secrets.token_hex(16)
        self.codes.add(code)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, asked: dict[str, str]) -> dict[str, str] | None:
        """A token for a code, for the client that knows its secret."""
        known = (asked.get("client_id"), asked.get("client_secret")) == (self.client_id, self.client_secret)
        if not known or asked.get("code") not in self.codes:
            return None
        self.codes.remove(asked["code"])
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "user:email"}

    def tell(self, path: str, authorization: str) -> object:
        """What the API says to whoever has a token."""
        if authorization.rpartition(" ")[2] not in self.tokens:
            return None
        about = {
            "/api/v3/user": {"id": 4711, "login": "dora", "name": "Dora", "email": self.email, "avatar_url": ""},
            "/api/v3/user/emails": [{"email": self.email, "primary": True, "verified": True}],
        }
        return about.get(path)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            if split.path == "/login/oauth/authorize":
                location = provider.authorize(_fields(split.query))
                self.send_response(302 if location else 400)
                self.send_header("Location", location or "")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(provider.tell(split.path, self.headers.get("Authorization", "")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked = _fields(body)
            basic = self.headers.get("Authorization", "")
            if basic.startswith("Basic "):
                asked |= dict(zip(("client_id", "client_secret"), _basic(basic), strict=True))
            self._answer(provider.exchange(asked) if self.path == "/login/oauth/access_token" else None)

        def _answer(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200 if value is not None else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    return Handler


def _fields(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _basic(header: str) -> list[str]:
    import base64
    from urllib.parse import unquote

    return [unquote(part) for part in base64.b64decode(header.removeprefix("Basic ")).decode().split(":", 1)]


@contextmanager
def serving(address: str, email: str) -> Iterator[Provider]:
    """A provider on an address of this machine, for as long as the block runs."""
    provider = Provider("", secrets.token_hex(10), secrets.token_hex(20), email)
    with ThreadingHTTPServer((address, 0), _handler(provider)) as server:
        provider.url = f"http://{address}:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
