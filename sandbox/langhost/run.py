"""Runs one Pulumi program: the job is JSON on standard input. Started by host.py, with the project's interpreter."""

import asyncio
import json
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config

_ERROR_WAS_SHOWN = 32
_THREADS_PER_RESOURCE = 4


def main() -> int:
    """Run the program; the exit code tells the host whether an error was shown already."""
    job: dict[str, Any] = json.load(sys.stdin)
    set_all_config(job["config"], job["secret_keys"])
    configure(
        Settings(
            monitor=job["monitor"],
            engine=job["engine"],
            project=job["project"],
            stack=job["stack"],
            parallel=job["parallel"],
            dry_run=job["dry_run"],
            organization=job["organization"],
            root_directory=job["root"],
        )
    )
    os.chdir(job["directory"])
    sys.argv = [job["program"], *job["arguments"]]
    sys.path[0] = job["directory"]  # instead of this file's folder
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(job["parallel"], 1) * _THREADS_PER_RESOURCE))

    def run_program() -> None:
        runpy.run_path(job["program"], run_name="__main__")

    try:
        loop.run_until_complete(run_in_stack(run_program))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return _ERROR_WAS_SHOWN
    except KeyboardInterrupt:
        return _ERROR_WAS_SHOWN
    except Exception:  # noqa: BLE001 whatever the program raises is for its author to read
        pulumi.log.error(f"the program failed:\n{traceback.format_exc()}")
        return _ERROR_WAS_SHOWN
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that wait for the engine would keep the interpreter alive
