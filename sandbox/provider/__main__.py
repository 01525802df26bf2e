"""Runs the provider plugin: prints its port, serves until the engine that started it ends."""

import os
import signal
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox import home
from sandbox.cloud.account import Account
from sandbox.provider.server import Provider

_MESSAGE_LIMIT = 400 * 1024 * 1024
_WORKERS = 32
# An operation that runs when the engine dies is let finish, so that nothing is left half-made.
_GRACE_SECONDS = 60
# The engine waits five seconds for the answer to its goodbye, and calls a run failed without it: also where other work
# fills the processors.
_NICENESS = -10


def main() -> None:
    """Serve."""
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    engine = os.getppid()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_WORKERS),
        options=[("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(Account(home.current())), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while not stop.wait(1):
        if os.getppid() != engine:
            break
    server.stop(_GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()
