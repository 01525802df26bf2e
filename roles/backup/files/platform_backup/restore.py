"""The way back: a copy is restored beside the data, then takes their place, then recovers; or everything stays.

The server works until the copy is complete. The two directories change places in one step, so that at no instant there
is none. Recovery runs on a private socket: clients see the platform before or after, never in between.
"""

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

from .metrics import State
from .plan import Plan, make_plan, refuse_without_room
from .points import make_point
from .repository import Repository, as_postgres
from .runs import one_at_a_time, publish, stamp
from .server import Server
from .settings import BackupError, Settings
from .target import Target, find_route
from .units import is_active, start, stop

AT_FDCWD = -100
RENAME_EXCHANGE = 2
POLL_SECONDS = 0.2
ARCHIVE_SECONDS = 300
SHOWN_LINES = 15


def restore(settings: Settings, target: Target) -> None:
    """Restore in place. The running server is the way back: its state is kept as a restore point and as a directory."""
    with one_at_a_time(settings):
        plan = make_plan(settings, target)
        if plan.running:
            confirm_archiving(settings, "there would be no way back: the present log does not reach the repository")
        replaced, point = replace(settings, plan.route.backup.label, recovery_options(plan), keep=plan.running)
    print(f"restored; the replaced data are in {replaced} until the next backup succeeds", flush=True)
    if point:
        print(f"back to what was there before: make restore TARGET_NAME={point}", flush=True)


def restore_lost_server(settings: Settings) -> None:
    """Bring the latest archived state to a server that holds nothing yet."""
    with one_at_a_time(settings):
        repository = Repository(settings)
        stanza = repository.stanza()
        route = find_route(Target("latest"), stanza.backups, repository.timelines(stanza), [], until=time.time(), end=0)
        refuse_without_room(settings, route)
        print(f"restoring {settings.platform} from backup {route.backup.label}", flush=True)
        replace(settings, route.backup.label, [f"--target-timeline={route.timeline}"], keep=False)


def keep_the_present(settings: Settings) -> str:
    """Make a restore point and have the log up to it in the archive; returns the point's name."""
    name = make_point(settings, f"before-restore-{stamp()}").name
    confirm_archiving(settings, f"there would be no way back to {name}: the log does not reach the repository")
    print(f"the present state is kept as restore point {name}", flush=True)
    return name


def recovery_options(plan: Plan) -> list[str]:
    """Where recovery has to end, as pgBackRest takes it."""
    options = [f"--target-timeline={plan.route.timeline}"]
    if plan.target.kind == "latest":
        return options
    options += [f"--type={plan.target.kind}", f"--target={plan.target.value}", "--target-action=promote"]
    # A position is where the next record begins: everything before it is wanted, that record is not.
    return [*options, "--target-exclusive"] if plan.target.kind == "lsn" else options


def replace(settings: Settings, label: str, options: list[str], *, keep: bool) -> tuple[Path, str]:
    """Put a restored and recovered copy in the place of the data.

    Returns where the replaced data are, and the restore point that was made last with `keep`.
    """
    fresh = settings.data.with_name(f"{settings.data.name}.restoring")
    replaced = settings.data.with_name(f"{settings.data.name}.replaced-{stamp()}")
    copy(settings, fresh, label, options)
    try:
        point = keep_the_present(settings) if keep else ""
    except BackupError:
        shutil.rmtree(fresh)
        raise
    fresh.rename(replaced)
    was_active = is_active(settings.unit)
    stop(settings.unit)
    exchange(settings.data, replaced)
    try:
        forget_the_spool(settings)
        recover(settings)
    except BaseException as error:
        exchange(settings.data, replaced)
        shutil.rmtree(replaced)
        forget_the_spool(settings)
        if was_active:
            start(settings.unit)
        if isinstance(error, BackupError):
            outcome = "runs again" if was_active else "is as it was"
            raise BackupError(
                f"{error}\nNothing was changed: the old data are in their place, the server {outcome}."
            ) from None
        raise
    start(settings.unit)
    # The restored server archives along its new timeline; only then is the platform protected again.
    confirm_archiving(settings, "the platform is restored and runs, but its log does not reach the repository")
    state = State(settings)
    state.record_backups(Repository(settings).stanza())
    state.save()
    publish(settings, state)
    return replaced, point


def confirm_archiving(settings: Settings, otherwise: str) -> None:
    """Have the present segment of the log archived and wait for it."""
    try:
        Repository(settings).read("check", f"--archive-timeout={ARCHIVE_SECONDS}")
    except BackupError as error:
        raise BackupError(f"{otherwise}: {error}") from None


def copy(settings: Settings, fresh: Path, label: str, options: list[str]) -> None:
    """Restore the files of a backup into a new directory; a failure leaves nothing behind."""
    if fresh.exists():
        shutil.rmtree(fresh)
    owner = settings.data.stat()
    fresh.mkdir(mode=0o700)
    os.chown(fresh, owner.st_uid, owner.st_gid)
    repository = Repository(settings)
    fetch = f'restore_command=pgbackrest --stanza={settings.stanza} archive-get %f "%p"'
    code = repository.run(f"--pg1-path={fresh}", f"--set={label}", f"--recovery-option={fetch}", *options, "restore")
    if code:
        shutil.rmtree(fresh)
        raise BackupError(
            f"the backup {label} could not be restored (pgbackrest ended with status {code}); nothing was touched"
        )


def exchange(one: Path, other: Path) -> None:
    """Let two directories change places in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, bytes(one), AT_FDCWD, bytes(other), RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise BackupError(f"{one} and {other} could not change places: {os.strerror(number)}")


def forget_the_spool(settings: Settings) -> None:
    """What was noted about segments of the other data must not be taken for these."""
    shutil.rmtree(settings.spool / "archive" / settings.stanza, ignore_errors=True)


def recover(settings: Settings) -> None:
    """Recover to the end on a private socket, and stop; a target that is not reached is an error with the reason."""
    owner = settings.data.stat()
    private = settings.state / "recovery"
    shutil.rmtree(private, ignore_errors=True)
    private.mkdir(mode=0o700)
    os.chown(private, owner.st_uid, owner.st_gid)
    log = private / "log"
    overrides = {
        "config_file": f"/etc/postgresql/{settings.version}/main/postgresql.conf",
        "listen_addresses": "",
        "unix_socket_directories": str(private),
        "external_pid_file": "",
        "hot_standby": "off",
        "log_destination": "stderr",
    }
    words = " ".join(f"-c {name}='{value}'" for name, value in overrides.items())
    began = time.monotonic()
    # It waits until the server is there, not until recovery is over.
    started = pg_ctl(settings, "start", "--wait", "--timeout=600", f"--log={log}", f"--options={words}")
    try:
        if started.returncode or not wait_for_production(settings):
            raise BackupError(f"recovery failed:\n{reason(log)}")
    finally:
        pg_ctl(settings, "stop", "--mode=fast", "--wait", "--timeout=3600")
        print(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "", flush=True)
    auto = settings.data / "postgresql.auto.conf"
    auto.write_text("# Settings of the recovery were here; the platform's are in /etc/postgresql.\n", encoding="utf-8")
    shutil.rmtree(private)
    print(f"recovery took {time.monotonic() - began:.1f} s", flush=True)


def pg_ctl(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pg_ctl on the data."""
    program = f"/usr/lib/postgresql/{settings.version}/bin/pg_ctl"
    return subprocess.run(
        as_postgres([program, f"--pgdata={settings.data}", *arguments]),
        cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def wait_for_production(settings: Settings) -> bool:
    """Wait for the end of recovery, however long the log is; false when the server gave up."""
    server, unfinished = Server(settings), settings.data / "recovery.signal"
    while True:
        alive = pg_ctl(settings, "status").returncode == 0
        # A copied cluster says "in production" until recovery begins, hence the second sign.
        if not unfinished.exists() and server.control_data()["Database cluster state"] == "in production":
            return True
        if not alive:
            return False
        time.sleep(POLL_SECONDS)


def reason(log: Path) -> str:
    """What the server said at its end."""
    if not log.exists():
        return "the server did not start, and said nothing"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line or "HINT" in line]
    return "\n".join(fatal or lines[-SHOWN_LINES:])
