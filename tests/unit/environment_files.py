"""Environment files of a role, rendered by Ansible itself, for the tests that hold them to what a service reads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.project import ROOT

FILES = ("settings", "secrets")


def rendered(role: str, variables: dict[str, Any], folder: Path) -> dict[str, str]:
    """Both files as the role's templates make them."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": variables,
        "vars_files": [
            *(str(path) for path in sorted((ROOT / "playbooks/group_vars/all").glob("*.yml"))),
            str(ROOT / f"roles/{role}/defaults/main.yml"),
            str(ROOT / f"roles/{role}/vars/main.yml"),
        ],
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": str(ROOT / f"roles/{role}/templates/{name}.env.j2"), "dest": str(folder / name),
                    "mode": "0600",
                }
            }
            for name in FILES
        ],
    }  # fmt: skip
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "--inventory", "localhost,", "play.yml"],
        cwd=folder,
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STRATEGY": "linear"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (folder / name).read_text() for name in FILES}


def variables_in(text: str) -> dict[str, str]:
    """The variables of one file, as Podman reads them."""
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
