"""Runs in a container beside the gateway: services that answer with what they were asked, and counters like Redis'.

Where ASKED names a file, each path that was asked for is a line of it.
"""

import json
import os
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REDIS_PORT = 6379
USER, PASSWORD = "gateway", "counters"


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") == "chunked":
            length = self.read_chunks()
        else:
            self.rfile.read(length)
        if "ASKED" in os.environ:
            with Path(os.environ["ASKED"]).open("a") as asked:
                asked.write(f"{self.path}\n")
        if "sleep=" in self.path:
            time.sleep(float(self.path.split("sleep=")[1]))
        body = json.dumps(
            {
                "port": self.connection.getsockname()[1],
                "path": self.path,
                "method": self.command,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body_bytes": length,
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # As PostgREST does: browsers reject the header when it comes twice.
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def read_chunks(self) -> int:
        total = 0
        while size := int(self.rfile.readline().strip() or b"0", 16):
            total += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return total

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Counters(socketserver.StreamRequestHandler):
    values: dict[str, int] = {}  # noqa: RUF012

    def handle(self) -> None:
        entered = False
        while words := self.command():
            match words:
                case ["AUTH", user, password]:
                    entered = (user, password) == (USER, PASSWORD)
                    self.wfile.write(b"+OK\r\n" if entered else b"-WRONGPASS invalid\r\n")
                case _ if not entered:
                    self.wfile.write(b"-NOAUTH Authentication required.\r\n")
                case ["INCRBY", key, step] if key.startswith("ratelimit:"):
                    self.values[key] = self.values.get(key, 0) + int(step)
                    self.wfile.write(f":{self.values[key]}\r\n".encode())
                case ["EXPIREAT", key, moment] if key in self.values and int(moment) > time.time():
                    self.wfile.write(b":1\r\n")
                case _:
                    self.wfile.write(b"-ERR unexpected\r\n")

    def command(self) -> list[str]:
        head = self.rfile.readline()
        words = []
        for _ in range(int(head[1:]) if head else 0):
            length = int(self.rfile.readline()[1:])
            words.append(self.rfile.read(length).decode())
            self.rfile.readline()
        return words


class CountersServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(ports: list[int]) -> None:
    servers: list[socketserver.BaseServer] = [ThreadingHTTPServer(("", port), Echo) for port in ports]
    servers.append(CountersServer(("", REDIS_PORT), Counters))
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
