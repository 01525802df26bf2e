"""Asks REST every 20 ms until a file appears, with two tokens; prints how often, and every answer but 200.

asking.py URL STOP TOKEN TOKEN: the second token may be refused until it was taken once, the first never.
"""

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def ask(url: str, token: str) -> str:
    """The status of one request, or why there was none."""
    where = urlsplit(url)
    client = http.client.HTTPConnection(str(where.hostname), where.port, timeout=10)
    try:
        client.request("GET", where.path, headers={"Authorization": f"Bearer {token}"})
        return str(client.getresponse().status)
    except OSError as error:
        return repr(error)
    finally:
        client.close()


def main(url: str, stop: str, present: str, following: str) -> None:
    """Entry point."""
    asked, wrong, taken = 0, [], False
    while not Path(stop).exists():
        asked += 1
        if (found := ask(url, present)) != "200":
            wrong.append(found)
        found = ask(url, following)
        taken = taken or found == "200"
        if taken and found != "200":
            wrong.append(found)
        time.sleep(0.02)
    print(f"asked {asked}, taken {taken}, wrong {wrong}")
    sys.exit(bool(wrong) or not taken or not asked)


if __name__ == "__main__":
    main(*sys.argv[1:])
