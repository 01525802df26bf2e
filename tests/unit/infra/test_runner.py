"""Real ansible-runner against this machine: what is reported, and what is left behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import ROOT
from infra.events import RunResult
from infra.runner import run_playbook

# Long enough to be unmistakable, and made at run time: the test files themselves must not hold it.
CANARY = "canary-" + "5e1f" * 8

pytestmark = pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a memory filesystem")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A directory of our own on the memory filesystem."""
    base = Path("/dev/shm") / f"test-{os.getpid()}"
    base.mkdir(mode=0o700)
    monkeypatch.setenv("PLATFORM_RAM_DIR", str(base))
    # Mitogen's own workers are not what is tested here.
    monkeypatch.setenv("ANSIBLE_STRATEGY", "linear")
    yield base
    for path in sorted(base.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    base.rmdir()


def inventory() -> dict[str, Any]:
    return {
        "all": {
            "hosts": {"here": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "vars": {"platform_secrets": {"db_workbench": CANARY}, "ansible_become": False},
        }
    }


def play(tmp_path: Path, tasks: str) -> Path:
    path = tmp_path / "play.yml"
    head = "- name: Test\n  hosts: all\n  gather_facts: false\n  become: false\n  tasks:\n"
    path.write_text(head + textwrap.indent(textwrap.dedent(tasks), "    "))
    return path


def run(tmp_path: Path, tasks: str, *, check: bool = False) -> tuple[RunResult, list[str]]:
    lines: list[str] = []
    result = run_playbook(play(tmp_path, tasks), inventory(), None, lines.append, check=check)
    return result, lines


def test_changes_are_reported_also_of_hidden_tasks_and_only_once(memory: Path, tmp_path: Path) -> None:
    tasks = f"""
        - name: Hidden
          ansible.builtin.copy:
            dest: {tmp_path}/hidden
            content: "{{{{ platform_secrets.db_workbench }}}}"
            mode: "0600"
          no_log: true
        - name: Hidden loop
          ansible.builtin.copy: {{dest: "{tmp_path}/{{{{ item }}}}", content: x, mode: "0600"}}
          loop: [a, b]
          no_log: true
        - name: Nothing
          ansible.builtin.command: "true"
          changed_when: false
        - name: Publish
          ansible.builtin.set_stats: {{data: {{platform_audit: {{listeners: [22]}}}}}}
    """
    first, lines = run(tmp_path, tasks)
    assert first.ok
    assert first.changed == ["Hidden", "Hidden loop"]
    assert lines == ["Hidden: changed", "Hidden loop: changed"]
    assert first.stats == {"platform_audit": {"listeners": [22]}}
    assert set(first.task_seconds) == {"Hidden", "Hidden loop", "Nothing", "Publish"}
    second, lines = run(tmp_path, tasks)
    assert second.ok
    assert (second.changed, second.drift, lines) == ([], [], [])
    (tmp_path / "a").write_text("edited by hand")
    checked, _ = run(tmp_path, tasks, check=True)
    assert checked.drift == [{"host": "here", "role": "", "task": "Hidden loop", "message": "changed"}]
    assert (tmp_path / "a").read_text() == "edited by hand"


def test_a_failure_names_host_task_and_message(memory: Path, tmp_path: Path) -> None:
    result, lines = run(
        tmp_path,
        """
        - name: Break one item
          ansible.builtin.command: "{{ item }}"
          loop: ["true", "ls /nowhere"]
          changed_when: false
        """,
    )
    assert not result.ok
    assert result.failure is not None
    assert (result.failure.host, result.failure.task) == ("here", "Break one item")
    assert "/nowhere" in result.failure.message
    assert lines == ["Break one item: failed"]


def test_a_broken_playbook_says_what_ansible_said(memory: Path, tmp_path: Path) -> None:
    result, _ = run(tmp_path, "- name: No such module\n  no_such_module: {}\n")
    assert not result.ok
    assert result.failure is not None
    assert "no_such_module" in result.failure.message


def command_lines_with(needle: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except OSError:  # it ended meanwhile
            continue
        found += [line] if needle in line else []
    return found


def test_nothing_is_left_and_no_process_shows_a_secret(memory: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            seen.extend(command_lines_with(CANARY))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        result, lines = run(
            tmp_path,
            f"""
            - name: Write a secret
              ansible.builtin.copy:
                dest: {memory}/server-side
                content: "{{{{ platform_secrets.db_workbench }}}}"
                mode: "0600"
              no_log: true
            - name: Give the watcher time
              ansible.builtin.command: sleep 0.5
              changed_when: false
            """,
        )
    finally:
        done.set()
        thread.join()
    assert result.ok
    assert (memory / "server-side").read_text() == CANARY
    assert [path.name for path in memory.iterdir()] == ["server-side"]
    assert seen == []
    assert not [line for line in lines if CANARY in line]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and CANARY in path.read_text()]


STARTED = """
    - name: Take long
      ansible.builtin.command: sleep 60
      changed_when: false
"""


@pytest.fixture
def long_run(memory: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a long play, once Ansible is at it."""
    program = f"""
        import json, sys
        from pathlib import Path
        from infra.runner import run_playbook
        result = run_playbook(Path({str(play(tmp_path, STARTED))!r}), json.load(sys.stdin), None, print)
        print(result.failure)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    json.dump(inventory(), process.stdin)
    process.stdin.close()
    wait_for(lambda: bool(descendants(process.pid, "sleep 60")))
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def descendants(pid: int, words: str) -> list[int]:
    """Processes below `pid` whose command line holds `words`."""
    parents: dict[int, int] = {}
    lines: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            lines[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ").strip()
        except (OSError, ValueError):  # it ended meanwhile
            continue

    def below(child: int) -> bool:
        while child := parents.get(child, 0):
            if child == pid:
                return True
        return False

    return [child for child in lines if words in lines[child] and below(child)]


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: str(number.name))
def test_a_killed_program_takes_its_play_and_its_secrets_with_it(
    long_run: subprocess.Popen[str], memory: Path, number: signal.Signals
) -> None:
    ansible = descendants(long_run.pid, "ansible-playbook")
    assert ansible
    long_run.send_signal(number)
    wait_for(lambda: not any(memory.iterdir()))
    wait_for(lambda: not any(alive(pid) for pid in ansible))


def test_a_killed_runner_is_reported_and_takes_its_play_with_it(long_run: subprocess.Popen[str], memory: Path) -> None:
    ansible = descendants(long_run.pid, "ansible-playbook")
    (runner,) = descendants(long_run.pid, "infra.runner")
    os.kill(runner, signal.SIGKILL)
    assert long_run.stdout is not None
    assert "ended with status -9" in long_run.stdout.read()
    assert not any(memory.iterdir())
    wait_for(lambda: not any(alive(pid) for pid in ansible))


def test_a_killed_ansible_is_a_failure_that_says_where_it_was(long_run: subprocess.Popen[str], memory: Path) -> None:
    ansible = descendants(long_run.pid, "ansible-playbook")
    os.kill(min(ansible), signal.SIGKILL)
    assert long_run.stdout is not None
    assert "it was at: Take long" in long_run.stdout.read()
    assert not any(memory.iterdir())
    wait_for(lambda: not any(alive(pid) for pid in ansible))
