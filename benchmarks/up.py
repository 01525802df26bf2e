"""How long the platform takes from nothing: make bench NAME=up.

cold: a clone of the committed tree with empty caches, those of Go and pip among them, as on a fresh machine (a docker
      engine and daemon that are there stay).
warm: the same copy again after `make down`: tools and images are there, the cloud is empty.
rerun: `make up` on the running platform.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import write

ROOT = Path(__file__).resolve().parent.parent
PHASE = os.environ.get("PHASE", "1")
LIMITS = {"cold": 900.0, "warm": 240.0}


def make(folder: Path, *arguments: str) -> float:
    """Run make in the copy, with caches beside it, and return its wall time in seconds."""
    caches = {name: str(folder.parent / name) for name in ("GOCACHE", "GOMODCACHE", "PIP_CACHE_DIR")}
    started = time.monotonic()
    subprocess.run(["make", *arguments], cwd=folder, env={**os.environ, **caches}, check=True, stdin=subprocess.DEVNULL)
    return round(time.monotonic() - started, 1)


def main() -> None:
    """Measure, print the table, write the JSON."""
    with tempfile.TemporaryDirectory(prefix="bench-up-") as temporary:
        copy = Path(temporary) / "platform"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        try:
            seconds = {"cold": make(copy, "up", f"PHASE={PHASE}"), "rerun": make(copy, "up", f"PHASE={PHASE}")}
            make(copy, "down")
            seconds["warm"] = make(copy, "up", f"PHASE={PHASE}")
        finally:
            make(copy, "down")
    rows = [
        [name, f"{seconds[name]:.0f}", f"{LIMITS[name]:.0f}" if name in LIMITS else ""]
        for name in ("cold", "warm", "rerun")
    ]
    write(
        "up",
        [f"make up PHASE={PHASE}", "seconds", "limit"],
        rows,
        {"phase": int(PHASE), "seconds": seconds, "limits": LIMITS},
    )


if __name__ == "__main__":
    main()
