"""The platform's API as its clients reach it: public name, sandbox DNS, certificate, keys."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.resolver

from tests.e2e.platform import Platform


@dataclass(frozen=True)
class Api:
    """What a client must know, and the name server and authority that a machine of the sandbox would have."""

    url: str
    anon_key: str
    publishable_key: str
    nameserver: str
    ca_file: Path


def api_of(platform: Platform) -> Api:
    assert platform.stack.nameserver is not None
    assert platform.stack.ca_file is not None
    keys = platform.outputs["public_keys"]
    return Api(
        platform.outputs["urls"]["api"], keys["anon_key"], keys["publishable_key"],
        platform.stack.nameserver, platform.stack.ca_file,
    )  # fmt: skip


@contextmanager
def as_a_client(api: Api) -> Iterator[None]:
    """Names are looked up and certificates trusted by this process as by a machine that belongs to the sandbox."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [api.nameserver]
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(api.ca_file)
    dns.resolver.override_system_resolver(resolver)
    try:
        yield
    finally:
        dns.resolver.restore_system_resolver()
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
