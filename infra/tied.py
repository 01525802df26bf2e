"""Runs a command that dies with its parent: python -m infra.tied PID_FILE COMMAND ARGUMENT...

ansible-runner makes Ansible ignore the hang-up that would otherwise end it when the runner is killed, and does not
tell anybody Ansible's process id.
"""

import os
import sys
from pathlib import Path

from infra.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    Path(sys.argv[1]).write_text(str(os.getpid()), encoding="utf-8")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
