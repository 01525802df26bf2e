"""Posts all the time, each request with a number and on a connection of its own, until told to stop; says what it saw.

usage: API_KEY=... poster.py URL STOP
"""

import itertools
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

url, stop = sys.argv[1:]
numbers = itertools.count()
posted: list[int] = []
errors: list[str] = []
seconds: list[float] = []


def post() -> None:
    while not Path(stop).exists():
        number = next(numbers)
        # One in ten is under way for long enough to meet the end of whom it asks.
        path = f"{url}?number={number}" + ("&sleep=1" if number % 10 == 0 else "")
        request = urllib.request.Request(  # noqa: S310 - the gateway's own address
            path, data=b"x" * 2000, headers={"apikey": os.environ["API_KEY"]}
        )
        began = time.monotonic()
        posted.append(number)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                answer.read()
        except (OSError, urllib.error.URLError) as problem:
            errors.append(f"{number}: {problem}")
        seconds.append(time.monotonic() - began)
        time.sleep(0.02)


threads = [threading.Thread(target=post) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"posted": len(posted), "errors": errors, "slowest": max(seconds)}))
