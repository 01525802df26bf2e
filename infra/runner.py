"""The one door to Ansible: run_playbook(...) -> RunResult.

The play runs in a process of its own with a private directory in memory. The process ends the play and removes the
directory when it is told to stop, and also when whoever started it is gone: then its standard input ends.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from infra import ROOT
from infra.events import EventLog, RunResult, failed
from infra.inventory import complete
from infra.processes import adopt_orphans, end_children
from infra.ram import private_directory
from infra.ssh import Connection, UnreachableError, session, wait_until_ready

WAIT_VARIABLE = "PLATFORM_WAIT_SECONDS"
WAIT_SECONDS = 300.0
PATIENCE_SECONDS = 5.0
PID_FILE = "pid"


def run_playbook(
    playbook: Path,
    inventory: Mapping[str, Any],
    connection: Connection | None,
    say: Callable[[str], None],
    *,
    check: bool = False,
    tags: str = "",
    wait_seconds: float | None = None,
) -> RunResult:
    """Run a playbook and return what it did. Without a connection the inventory says how hosts are reached.

    Progress goes to `say`, line by line. Nothing secret is printed, put on a command line or written to a disk.
    """
    order = {
        "playbook": str(playbook),
        "inventory": dict(inventory),
        "connection": connection.as_dict() if connection else None,
        "check": check,
        "tags": tags,
        "wait_seconds": wait_seconds
        if wait_seconds is not None
        else float(os.environ.get(WAIT_VARIABLE, WAIT_SECONDS)),
    }
    with private_directory() as (directory, lock):
        child = subprocess.Popen(
            [sys.executable, "-m", "infra.runner", str(directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[lock],
            start_new_session=True,
        )
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - pipes were asked for
        threading.Thread(target=_end_with, args=(os.getppid(), child), daemon=True).start()
        try:
            child.stdin.write(json.dumps(order) + "\n")
            child.stdin.flush()
            result = _listen(child.stdout, say)
            status = child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
            child.stdin.close()
            child.stdout.close()
    if result is None:
        return failed("all", playbook.name, f"the process that runs Ansible ended with status {status}")
    return result


def _end_with(parent: int, child: subprocess.Popen[str]) -> None:
    """A killed Pulumi leaves its providers behind; a play must not go on without it."""
    while child.poll() is None:
        if os.getppid() != parent:
            child.terminate()
            return
        time.sleep(1.0)


def _listen(lines: Any, say: Callable[[str], None]) -> RunResult | None:
    result = None
    for line in lines:
        message = json.loads(line)
        if "say" in message:
            say(message["say"])
        else:
            result = RunResult.from_dict(message["result"])
    return result


class _Stop:
    """Set by a signal, or by the end of standard input."""

    def __init__(self, pid_file: Path) -> None:
        self._event = threading.Event()
        self._pid_file = pid_file
        self._asked: float | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._event.set())

    def watch_parent(self) -> None:
        def wait_for_the_end() -> None:
            sys.stdin.read()
            self._event.set()

        threading.Thread(target=wait_for_the_end, daemon=True).start()

    def __call__(self) -> bool:
        return self._event.is_set()

    def cancel(self) -> bool:
        """Ask Ansible to stop, since it then ends its workers too; true when it was killed for not listening."""
        if not self() or not self._pid_file.exists():
            return False
        if self._asked is None:
            self._asked = time.monotonic()
            with suppress(ProcessLookupError):
                os.kill(int(self._pid_file.read_text(encoding="utf-8")), signal.SIGTERM)
        return time.monotonic() - self._asked > PATIENCE_SECONDS


def _tell(message: Mapping[str, Any]) -> None:
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:
        # Nobody listens any more; the end of standard input stops the play.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for the rest of this process


def _serve(directory: Path) -> None:
    adopt_orphans()
    stop = _Stop(directory / PID_FILE)
    order = json.loads(sys.stdin.readline())
    stop.watch_parent()
    try:
        result = _play(directory, order, stop)
        _tell({"result": result.as_dict()})
    finally:
        # A killed ansible-playbook leaves workers that wait for it for ever.
        end_children()
        shutil.rmtree(directory, ignore_errors=True)


def _say(text: str) -> None:
    _tell({"say": text})


def _play(directory: Path, order: Mapping[str, Any], stop: _Stop) -> RunResult:
    if order["connection"] is None:
        return _ansible(directory, order, {}, stop)
    connection = Connection.from_dict(order["connection"])
    began = time.monotonic()
    with session(connection, directory) as opened:
        try:
            wait_until_ready(opened, order["wait_seconds"], _say, stop)
        except UnreachableError as error:
            seconds = time.monotonic() - began
            return failed(connection.host, "Reach the server", str(error), unreachable=True, seconds=seconds)
        way = {"ansible_host": connection.host, "ansible_user": connection.user}
        order = {**order, "inventory": complete(order["inventory"], way)}
        environment = {**opened.environment, "ANSIBLE_SSH_ARGS": shlex.join(opened.options)}
        return _ansible(directory, order, environment, stop)


def _ansible(directory: Path, order: Mapping[str, Any], environment: Mapping[str, str], stop: _Stop) -> RunResult:
    import ansible_runner  # noqa: PLC0415 - the Pulumi program reads this module too and never needs it

    _private_file(directory / "inventory.json", order["inventory"])
    # ansible-runner looks for "stop" only this often.
    _private_file(directory / "env" / "settings", {"pexpect_timeout": 1})
    # Short names: Ansible and Mitogen open sockets in there, and a socket's path has a limit.
    tmp = directory / "t"
    tmp.mkdir(mode=0o700)
    log = EventLog(_say, check=order["check"])
    log.start_heartbeat()
    run = ansible_runner.run(
        private_data_dir=str(directory),
        project_dir=str(ROOT),
        inventory=str(directory / "inventory.json"),
        binary=sys.executable,
        cmdline=shlex.join(_words(directory / PID_FILE, order)),
        envvars={
            **environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp / "h"),
            "ANSIBLE_LOCAL_TEMP": str(tmp),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp),
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "TMPDIR": str(tmp),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        quiet=True,
        suppress_env_files=True,
        event_handler=log,
        cancel_callback=stop.cancel,
    )
    log.stop_heartbeat()
    reason = "the run was stopped" if stop() else f"ansible-playbook ended with status {run.rc}"
    return log.result(succeeded=run.status == "successful", reason=reason)


def _words(pid_file: Path, order: Mapping[str, Any]) -> list[str]:
    # ansible-playbook of the same environment as this interpreter, whatever PATH says.
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    words = ["-m", "infra.tied", str(pid_file), playbook, order["playbook"], "--diff"]
    words += ["--check"] if order["check"] else []
    return words + (["--tags", order["tags"]] if order["tags"] else [])


def _private_file(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
