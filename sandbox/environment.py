"""The environment in which Pulumi and Ansible use the sandbox as their cloud."""

import contextlib
import json
import os
import secrets
import shlex
import tempfile
from pathlib import Path

from sandbox.home import CACHE, REPOSITORY, Home
from sandbox.services import acme
from sandbox.toolchain import pulumi_cli

_TOKEN_BYTES = 32


def variables(home: Home) -> dict[str, str]:
    """Names and values; keys are made once and kept in the sandbox's folder."""
    backend = home.path / "pulumi"
    home.make()
    backend.mkdir(mode=0o700, exist_ok=True)
    passphrase = home.path / "passphrase"
    _write_once(passphrase, secrets.token_urlsafe(_TOKEN_BYTES))
    return {
        "PATH": os.pathsep.join([*_path(), os.environ["PATH"]]),
        # Without the files of attributes that Pulumi would write beside each of its own: a run that is killed leaves
        # half of one, and then no command reads the state again ("failed to load checkpoint: EOF").
        "PULUMI_BACKEND_URL": f"file://{backend}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        **credentials(home),
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "SANDBOX_HOME": str(home.path),
        # What signs the platform's certificates: curl --cacert "$PLATFORM_CA_FILE" https://api.supabase.test
        "PLATFORM_CA_FILE": str(acme.roots_file(home)),
    }


def credentials(home: Home) -> dict[str, str]:
    """The keys of the sandbox's account."""
    fresh = {
        "DIGITALOCEAN_TOKEN": f"dop_v1_{secrets.token_hex(_TOKEN_BYTES)}",
        "SPACES_ACCESS_KEY_ID": f"DO00{secrets.token_hex(8).upper()}",
        "SPACES_SECRET_ACCESS_KEY": secrets.token_urlsafe(_TOKEN_BYTES),
    }
    home.make()
    _write_once(home.credentials, json.dumps(fresh))
    kept: dict[str, str] = json.loads(home.credentials.read_text())
    return kept


def exports(home: Home) -> str:
    """The environment as lines for a shell to evaluate."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(home).items())


def _path() -> list[str]:
    """Folders that come first on PATH, those already there left out."""
    folders = [REPOSITORY / "sandbox" / "bin", CACHE / "venv" / "bin", CACHE / "bin"]
    if not pulumi_cli.has_python_runtime():
        folders.insert(0, REPOSITORY / "sandbox" / "bin" / "langhost")
    present = os.environ["PATH"].split(os.pathsep)
    return [str(folder) for folder in folders if str(folder) not in present]


def _write_once(path: Path, content: str) -> None:
    """Write a private file unless it exists; whoever comes second gets the first one's."""
    if path.exists():
        return
    descriptor, fresh = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as out:
        out.write(content)
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    Path(fresh).unlink()
