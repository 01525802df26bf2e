"""Opens a connection and asks twice, every 20 ms, until told to stop; prints what went wrong.

A server may close a connection that it has kept open whenever it likes (RFC 9112, 9.3.1), so a client asks once more on
a new one, as every library does; on a new connection nothing may fail.

usage: client.py ROOT NAME STOP
"""

import http.client
import json
import socket
import ssl
import sys
import time
from pathlib import Path

root, name, stop = sys.argv[1:]
context = ssl.create_default_context(cafile=root)
requests, retried, errors, serials = 0, 0, [], set()


def connect() -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection(name)
    secured = context.wrap_socket(socket.create_connection(("127.0.0.1", 443), timeout=10), server_hostname=name)
    serials.add((secured.getpeercert() or {})["serialNumber"])
    connection.sock = secured
    return connection


def ask(connection: http.client.HTTPSConnection) -> None:
    global requests  # noqa: PLW0603 - a count of the whole program
    connection.request("GET", "/rest/v1/t")
    answer = connection.getresponse()
    answer.read()
    requests += 1
    if answer.status != 200:
        errors.append(f"status {answer.status}")


while not Path(stop).exists():
    try:
        connection = connect()
        ask(connection)
        if connection.sock is not None:
            try:
                ask(connection)
            except (ConnectionError, http.client.RemoteDisconnected):
                retried += 1
                connection = connect()
                ask(connection)
        connection.close()
    except (OSError, http.client.HTTPException) as problem:
        errors.append(f"{type(problem).__name__}: {problem}")
    time.sleep(0.02)
print(json.dumps({"requests": requests, "retried": retried, "errors": errors, "certificates": len(serials)}))
