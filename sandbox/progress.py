"""Progress lines of work that takes long."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_INTERVAL_SECONDS = 15


def say(message: str) -> None:
    """Print one line for the operator."""
    print(f"[sandbox] {message}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, repeat its name with the time it has taken so far, and say when it is done."""
    started = time.monotonic()
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(_INTERVAL_SECONDS):
            say(f"{title} ... {time.monotonic() - started:.0f} s")

    say(f"{title} ...")
    ticker = threading.Thread(target=repeat, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
    say(f"{title}: done in {time.monotonic() - started:.0f} s")
