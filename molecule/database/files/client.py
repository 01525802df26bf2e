"""A client that queries through the pooler every 20 ms until a file appears, and fails if one query fails."""

import argparse
import json
import time
from pathlib import Path

import psycopg


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("conninfo")
    parser.add_argument("until", type=Path, help="stop when this file appears")
    arguments = parser.parse_args()
    queries = 0
    slowest = 0.0
    with psycopg.connect(arguments.conninfo, autocommit=True) as connection:
        while not arguments.until.exists():
            began = time.monotonic()
            connection.execute("select 1")
            queries += 1
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)
    print(json.dumps({"queries": queries, "slowest_ms": round(slowest * 1000)}))


main()
