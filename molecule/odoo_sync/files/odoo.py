"""Answers in Odoo's place, with nothing in it: its version, an empty page, and 401 to whoever lacks the key of a file.

usage: odoo.py ADDRESS PORT KEYFILE LOG
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS, PORT, KEY, LOG = sys.argv[1:]


def bearer() -> str:
    """What a request is let in with, for now."""
    return f"bearer {Path(KEY).read_text()}"


class Odoo(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        """Answer by the path alone."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/web/webclient/version_info":
            version = [19, 0, 0, "final", 0, ""]
            self.answer(200, {"jsonrpc": "2.0", "result": {"server_version": "19.0", "server_version_info": version}})
        elif (self.headers.get("Authorization"), self.headers.get("X-Odoo-Database")) != (bearer(), "odoo"):
            self.answer(401, {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey"})
        else:
            with Path(LOG).open("a") as log:
                log.write(f"{self.path}\n")
            self.answer(200, [])

    def answer(self, status: int, body: object) -> None:
        """Send JSON."""
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


ThreadingHTTPServer((ADDRESS, int(PORT)), Odoo).serve_forever()
