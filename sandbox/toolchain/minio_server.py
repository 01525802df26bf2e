"""The MinIO server, built from its Go module."""

from sandbox.services import spaces
from sandbox.toolchain import golang


def ensure() -> None:
    """Build the server unless it is there. Static, so that it runs in any image."""
    golang.build("minio", "github.com/minio/minio", spaces.BINARY, environment={"CGO_ENABLED": "0"})
