"""Each Molecule scenario is one test: check, converge, idempotence, check, verify."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
TIMEOUT_SECONDS = 2400
SHOWN_LINES = 120
CAUSES = re.compile(r"fatal:|failed:|ERROR|CRITICAL")


@pytest.mark.integration
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("molecule")), "test", "--scenario-name", scenario],
        cwd=ROOT, env=os.environ | {"ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    causes = [line for line in lines if CAUSES.search(line)]
    assert done.returncode == 0, "\n".join([f"molecule test -s {scenario}", *causes, *lines[-SHOWN_LINES:]])


def test_there_are_scenarios() -> None:
    assert SCENARIOS
