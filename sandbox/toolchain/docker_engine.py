"""The docker engine and the Debian tools around it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.home import CACHE
from sandbox.progress import say, step

# Programs the sandbox calls, and the Debian packages that have them.
_PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "mmdebstrap": "mmdebstrap",
    "losetup": "mount",
    "mkfs.xfs": "xfsprogs",
}
_START_TIMEOUT_SECONDS = 60
_LOG_LINES = 5
_LOG = CACHE / "dockerd.log"
# Where the engine and its helper write their process ids, and what those processes are called.
_PID_FILES = {"/run/docker.pid": "dockerd", "/run/docker/containerd/containerd.pid": "containerd"}


def ensure() -> None:
    """See to it that docker answers and the tools are there; installs and starts them where that is allowed."""
    if os.geteuid() != 0:
        raise SandboxError("the sandbox attaches loop devices and needs root; run it again with: sudo -E make up")
    answers = _answers()
    missing = sorted(
        {package for program, package in _PACKAGES.items() if not shutil.which(program)}
        - ({"docker.io"} if answers else set())
    )
    if missing:
        _install(missing)
    if not answers:
        _start()


def _answers() -> bool:
    if not shutil.which("docker"):
        return False
    return (
        subprocess.run(["docker", "info"], check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
    )


def _install(packages: list[str]) -> None:
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "--quiet", *packages]
    if not shutil.which("apt-get"):
        raise SandboxError(f"please install what Debian calls {', '.join(packages)} with your system's package manager")
    with step(f"installing {', '.join(packages)}"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["apt-get", "update", "--quiet"], command):
            done = subprocess.run(
                arguments, check=False, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
            )
    if done.returncode:
        raise SandboxError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _start() -> None:
    if Path("/run/systemd/system").exists():
        command = ["systemctl", "start", "docker"]
    else:
        command = ["dockerd", "--storage-driver=overlay2"]
    _forget_killed_daemons()
    CACHE.mkdir(exist_ok=True)
    say(f"starting docker with `{' '.join(command)}`; its log is {_LOG}")
    with _LOG.open("ab") as log:
        # A session of its own and no terminal: it outlives make, and Ctrl-C does not reach it.
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while not _answers():
        if daemon.poll() or time.monotonic() > deadline:
            last = "\n".join(_LOG.read_text(errors="replace").splitlines()[-_LOG_LINES:])
            raise SandboxError(
                f"docker does not answer; start it with: {' '.join(command)}\nIts log ({_LOG}) ends:\n{last}"
            )
        time.sleep(0.5)


def _forget_killed_daemons() -> None:
    """Remove process ids that killed daemons left: whoever has such a number now would keep docker from starting."""
    for name, program in _PID_FILES.items():
        path = Path(name)
        if not path.exists():
            continue
        process = Path("/proc", path.read_text().strip() or "0", "comm")
        if not process.exists() or process.read_text().strip() != program:
            path.unlink()
