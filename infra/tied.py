"""Runs a command that dies with its parent: python -m infra.tied COMMAND ARGUMENT...

ansible-runner makes Ansible ignore the hang-up that would otherwise end it when the runner is killed.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted
