"""A package cache, so that droplets download each Debian package once."""

from sandbox.home import CACHE, Home
from sandbox.network import APT_PORT
from sandbox.services import container

_FOLDER = "/var/cache/apt-cacher-ng"


def ensure(home: Home) -> None:
    """Start the cache unless it runs. What it holds outlives the sandbox."""
    folder = CACHE / "apt"
    folder.mkdir(parents=True, exist_ok=True)
    container.ensure(
        home,
        "apt",
        APT_PORT,
        ["--volume", f"{folder}:{_FOLDER}"],
        [
            "apt-cacher-ng",
            "-c",
            "/etc/apt-cacher-ng",
            "ForeGround=1",
            f"Port={APT_PORT}",
            f"CacheDir={_FOLDER}",
            "LogDir=/tmp",
        ],
    )
