"""The platform's edge as a stranger reaches it: by address, name and TLS, with requests written by hand."""

import http.client
import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message

from infra import components
from tests.e2e.platform import Platform

HTTPS = components.load()["nginx"].port("https")
# Longer than a request waits for a container that restarts.
TIMEOUT_SECONDS = 75

# A header may come twice.
type Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.body[:300].decode(errors='replace')}"


@dataclass(frozen=True)
class Edge:
    """The edge at its public address; every connection verifies the certificate."""

    address: str
    domain: str
    names: tuple[str, ...]
    context: ssl.SSLContext

    @property
    def api(self) -> str:
        """The name that all of the API has."""
        return f"api.{self.domain}"

    def connect(self, name: str, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Shake hands under a name."""
        plain = socket.create_connection((self.address, HTTPS), timeout=TIMEOUT_SECONDS)
        return (context or self.context).wrap_socket(plain, server_hostname=name)

    def ask(
        self,
        name: str,
        path: str,
        method: str = "GET",
        body: bytes | Iterable[bytes] | None = None,
        headers: Headers = (),
    ) -> Answer:
        """One request as it is given; a body in pieces goes without its length."""
        given = {header.lower() for header, _ in headers}
        connection = http.client.HTTPSConnection(name)
        connection.sock = self.connect(name)
        try:
            connection.putrequest(method, path, skip_host="host" in given, skip_accept_encoding=True)
            for header, value in headers:
                connection.putheader(header, value)
            if isinstance(body, bytes) and not given & {"content-length", "transfer-encoding"}:
                connection.putheader("Content-Length", str(len(body)))
            chunked = body is not None and not isinstance(body, bytes)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            # Refused before everything was sent: the answer says so.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.endheaders(body, encode_chunked=chunked)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


def edge_of(platform: Platform) -> Edge:
    """The edge of the running platform."""
    domain = platform.outputs["domain"]
    names = (domain, *(url.removeprefix("https://") for url in platform.outputs["urls"].values()))
    return Edge(platform.outputs["address"], domain, names, ssl.create_default_context(cafile=platform.stack.ca_file))
