"""Object storage: a MinIO server with TLS that stands for Spaces."""

import os

from sandbox.environment import credentials
from sandbox.errors import SandboxError
from sandbox.home import CACHE, Home
from sandbox.network import public_network, service_address
from sandbox.services import ca, container
from sandbox.services.s3 import S3

PORT = 443
_FOLDER = "/srv/spaces"
BINARY = CACHE / "bin" / "minio"


def endpoint(home: Home) -> str:
    """Host of the S3 API; buckets are addressed by path."""
    return service_address(home, "spaces")


def connect(home: Home, access_key: str, secret_key: str) -> S3:
    """A client with somebody's keys; wrong ones are refused by the server itself."""
    ensure(home)
    return S3(endpoint(home), access_key, secret_key, ca.ca_file(home))


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
