"""Clients at work while something else happens: to the platform, or to what they hold."""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager


@contextmanager
def at_work(*clients: Generator[None], pause: float = 0.0) -> Iterator[None]:
    """Let clients work for as long as the block runs, each in a thread of its own: a step, the pause, the next step.

    A client that has nothing left to do ends earlier. What one raises is raised at the end of the block.
    """
    stop = threading.Event()

    def work(client: Generator[None]) -> None:
        with closing(client):
            for _ in client:
                if stop.wait(pause):
                    return

    with ThreadPoolExecutor(max_workers=len(clients)) as threads:
        working = [threads.submit(work, client) for client in clients]
        try:
            yield
        finally:
            stop.set()
    for client in working:
        client.result()
