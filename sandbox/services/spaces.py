"""Object storage: a MinIO server with TLS that stands for Spaces."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import minio
import urllib3
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error

from sandbox.environment import credentials
from sandbox.errors import SandboxError
from sandbox.home import CACHE, Home
from sandbox.network import public_network, service_address
from sandbox.services import ca, container

PORT = 443
_FOLDER = "/srv/spaces"
BINARY = CACHE / "bin" / "minio"
_REGION = "us-east-1"
_TIMEOUT_SECONDS = 30
# A server that has just started asks for a minute of patience, and needs a second.
_RETRY = urllib3.Retry(
    total=20,
    backoff_factor=0.2,
    backoff_max=2,
    status_forcelist=[503],
    allowed_methods=None,
    respect_retry_after_header=False,
)


@dataclass(frozen=True)
class Server:
    """The server as its owner sees it: the buckets, and the keys to them."""

    buckets: minio.Minio
    keys: minio.MinioAdmin


def endpoint(home: Home) -> str:
    """Host of the S3 API; buckets are addressed by path."""
    return service_address(home, "spaces")


@contextmanager
def connect(home: Home, access_key: str, secret_key: str) -> Iterator[Server]:
    """Use the server with somebody's keys; wrong ones are refused by the server itself."""
    ensure(home)
    host = endpoint(home)
    pool = urllib3.PoolManager(
        ca_certs=str(ca.ca_file(home)), timeout=urllib3.Timeout(_TIMEOUT_SECONDS), retries=_RETRY
    )
    try:
        yield Server(
            minio.Minio(host, access_key, secret_key, region=_REGION, http_client=pool),
            minio.MinioAdmin(endpoint=host, credentials=StaticProvider(access_key, secret_key), http_client=pool),
        )
    except S3Error as error:
        raise SandboxError(f"object storage: {error.code}: {error.message}") from None
    except (MinioException, MinioAdminException) as error:
        raise SandboxError(f"object storage: {error}") from None
    except urllib3.exceptions.HTTPError as error:
        raise SandboxError(f"object storage at {host} cannot be reached: {error}") from None


def ensure(home: Home) -> None:
    """Start the server unless it runs."""
    if not BINARY.exists():
        raise SandboxError("the MinIO server is not built; build it with: .cache/venv/bin/python -m sandbox prepare")
    folder = home.services / "spaces"
    (folder / "certs").mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    public_network(home)
    ca.issue(home, endpoint(home), folder / "certs" / "public.crt", folder / "certs" / "private.key")
    keys = credentials(home)
    environment = folder / "environment"
    with os.fdopen(os.open(environment, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(f"MINIO_ROOT_USER={keys['SPACES_ACCESS_KEY_ID']}\n")
        out.write(f"MINIO_ROOT_PASSWORD={keys['SPACES_SECRET_ACCESS_KEY']}\n")
        out.write("MINIO_UPDATE=off\nMINIO_BROWSER=off\n")
    container.ensure(
        home,
        "spaces",
        PORT,
        [
            "--env-file",
            str(environment),
            "--volume",
            f"{folder}:{_FOLDER}",
            "--volume",
            f"{BINARY}:/usr/local/bin/minio:ro",
        ],
        ["minio", "server", "--quiet", "--address", f":{PORT}", "--certs-dir", f"{_FOLDER}/certs", f"{_FOLDER}/data"],
    )
