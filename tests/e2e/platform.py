"""The platform under test: its stack, its outputs, and what one Pulumi run did to it."""

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from ops.stack import ROOT, Stack


@dataclass(frozen=True)
class Run:
    """One finished Pulumi command: its exit code, what it printed, how many resources it touched by operation."""

    code: int
    text: str

    @property
    def summary(self) -> dict[str, int]:
        """Counts of the `Resources:` block, such as {"unchanged": 24, "updated": 1}."""
        block = self.text.rsplit("Resources:", 1)[-1]
        words = {"changes": "changed"}
        return {
            words.get(word, word): int(number)
            for number, word in re.findall(r"^\s+[~+\-±]*\s*(\d+) (\w+)", block, re.MULTILINE)
        }


@dataclass(frozen=True)
class Platform:
    """The sandbox stack and its outputs at the start of the session; `now()` reads them again."""

    stack: Stack
    outputs: dict[str, Any]

    def pulumi(self, *arguments: str, timeout: float = 900) -> Run:
        """Run a Pulumi command on the stack and capture what it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", self.stack.name, "--non-interactive", "--color", "never"],
            cwd=ROOT, env=self.stack.environment, text=True, capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout + done.stderr)

    def up(self) -> Run:
        """`pulumi up` without a preview."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def now(self) -> dict[str, Any]:
        """The outputs as they are now."""
        return self.stack.outputs()

    def preview_steps(self, *arguments: str) -> list[dict[str, Any]]:
        """The steps a preview plans, without those that change nothing."""
        run = self.pulumi("preview", "--json", "--refresh=false", *arguments)
        assert run.code == 0, run.text
        steps: list[dict[str, Any]] = json.loads(run.text[run.text.index("{") :])["steps"]
        return [step for step in steps if step["op"] != "same"]
