"""Pulumi's language runtime for Python, for a CLI built without the official one.

Run by path, not as part of the package: the program it starts shall find nothing of the sandbox on its path.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import IO, Any, override

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

_RUNNER = Path(__file__).with_name("run.py")
_ERROR_WAS_SHOWN = 32
_MESSAGE_LIMIT = 400 * 1024 * 1024
_WORKERS = 16
_CHUNK = 64 * 1024


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Starts programs and plugins written in Python, each in an interpreter of its own."""

    def __init__(self, engine: str) -> None:
        """Serve the engine at this address."""
        self._engine = engine
        self._children: set[subprocess.Popen[bytes]] = set()

    @override
    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the engine's address if the command line did not tell it."""
        self._engine = self._engine or request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    @override
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """No version of its own: it comes with the checkout."""
        return plugin_pb2.PluginInfo()

    @override
    def GetRequiredPlugins(self, request: Any, context: grpc.ServicerContext) -> Any:
        """None in advance: the engine learns of each provider from the resource that asks for it."""
        return language_pb2.GetRequiredPluginsResponse()

    @override
    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:
        """None in advance, as above."""
        return language_pb2.GetRequiredPackagesResponse()

    @override
    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not known: the lock files are."""
        return language_pb2.GetProgramDependenciesResponse()

    @override
    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Nothing to do: make installs them."""
        yield from ()

    @override
    def RuntimeOptionsPrompts(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Nothing to ask."""
        return language_pb2.RuntimeOptionsResponse()

    @override
    def About(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tell the interpreter."""
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    @override
    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run a program to its end."""
        info = request.info
        directory = info.program_directory or request.pwd
        job = {
            "engine": self._engine,
            "monitor": request.monitor_address,
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization or "organization",
            "dry_run": request.dryRun,
            "parallel": request.parallel,
            "config": dict(request.config),
            "secret_keys": list(request.configSecretKeys),
            "directory": request.pwd or directory,
            "root": info.root_directory,
            "program": str(Path(directory, info.entry_point or ".")),
            "arguments": list(request.args),
        }
        child = subprocess.Popen([_interpreter(info), "-u", str(_RUNNER)], stdin=subprocess.PIPE)
        with self._tracked(child, context):
            child.communicate(json.dumps(job).encode())  # not argv, not environment: the configuration holds secrets
        if child.returncode == _ERROR_WAS_SHOWN:
            return language_pb2.RunResponse(bail=True)
        error = f"the program ended with exit code {child.returncode}" if child.returncode else ""
        return language_pb2.RunResponse(error=error)

    @override
    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Run a plugin, such as a policy pack, and pass on what it prints."""
        info = request.info
        if request.kind == "analyzer":
            command, directory = (
                ["-u", "-m", "pulumi.policy", *request.args, info.program_directory],
                info.program_directory,
            )
        else:
            command, directory = ["-u", info.program_directory, *request.args], request.pwd
        child = subprocess.Popen(
            [_interpreter(info), *command],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | dict(entry.split("=", 1) for entry in request.env if "=" in entry),
        )
        with self._tracked(child, context):
            for is_error, chunk in _merged(child):
                response = language_pb2.RunPluginResponse
                yield response(stderr=chunk) if is_error else response(stdout=chunk)
            yield language_pb2.RunPluginResponse(exitcode=child.wait())

    @override
    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """End everything that was started."""
        self.stop()
        return empty_pb2.Empty()

    def stop(self) -> None:
        """End everything that was started."""
        for child in list(self._children):
            child.terminate()

    def _tracked(self, child: "subprocess.Popen[bytes]", context: grpc.ServicerContext) -> "_Tracked":
        context.add_callback(child.terminate)
        return _Tracked(self._children, child)


class _Tracked:
    """Keeps a child process in a set while it is waited for."""

    def __init__(self, children: "set[subprocess.Popen[bytes]]", child: "subprocess.Popen[bytes]") -> None:
        self._children, self._child = children, child

    def __enter__(self) -> None:
        self._children.add(self._child)

    def __exit__(self, *_: object) -> None:
        self._children.discard(self._child)


def _interpreter(info: Any) -> str:
    """The Python of the project's virtual environment, or this one."""
    options = MessageToDict(info.options) if info.HasField("options") else {}
    environment = options.get("virtualenv")
    return str(Path(info.root_directory, environment, "bin", "python")) if environment else sys.executable


def _merged(child: "subprocess.Popen[bytes]") -> Iterator[tuple[bool, bytes]]:
    """What a child prints, as it comes, and whether it came from standard error; ends when both channels close."""
    chunks: queue.Queue[tuple[bool, bytes]] = queue.Queue()
    pipes = [(is_error, pipe) for is_error, pipe in ((False, child.stdout), (True, child.stderr)) if pipe is not None]

    def pump(is_error: bool, pipe: IO[bytes]) -> None:
        while chunk := os.read(pipe.fileno(), _CHUNK):
            chunks.put((is_error, chunk))
        chunks.put((is_error, b""))

    for is_error, pipe in pipes:
        threading.Thread(target=pump, args=(is_error, pipe), daemon=True).start()
    still_open = len(pipes)
    while still_open:
        is_error, chunk = chunks.get()
        if chunk:
            yield is_error, chunk
        else:
            still_open -= 1


def _until_parent_ends(stop: threading.Event) -> None:
    parent = os.getppid()
    while not stop.wait(1) and os.getppid() == parent:
        pass


def main() -> None:
    """Serve until the engine ends."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    host = Host(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), ""))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_WORKERS),
        options=[("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    _until_parent_ends(stop)
    host.stop()
    server.stop(1).wait()


if __name__ == "__main__":
    main()
