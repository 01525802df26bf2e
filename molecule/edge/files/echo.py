"""What stands behind the edge in this scenario: answers with what it was asked, as JSON; accepts every websocket."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length, received = self.headers.get("Content-Length"), 0
        if length:
            while received < int(length) and (part := self.rfile.read(min(65536, int(length) - received))):
                received += len(part)
        upgraded = self.headers.get("Upgrade") == "websocket"
        self.send_response(101 if upgraded else 200)
        if upgraded:
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        body = json.dumps({"path": self.path, "headers": headers, "received": received}).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # An upstream that believes it decides these.
        self.send_header("Strict-Transport-Security", "max-age=0")
        self.send_header("X-Powered-By", "echo")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the base class's names

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
