"""The platform under test: its stack, its outputs, and what one Pulumi run did to it."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ops.stack import PROJECT, ROOT, Stack


@dataclass(frozen=True)
class Run:
    """One finished Pulumi command: exit code, standard output, and everything it printed."""

    code: int
    out: str
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
    outputs: dict[str, Any] = field(repr=False)

    def pulumi(self, *arguments: str, timeout: float = 900) -> Run:
        """Run a Pulumi command on the stack and capture what it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", self.stack.name, "--non-interactive", "--color", "never"],
            cwd=ROOT, env=self.stack.environment, text=True, capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout, done.stdout + done.stderr)

    def up(self) -> Run:
        """`pulumi up` without a preview."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def now(self) -> dict[str, Any]:
        """The outputs as they are now."""
        return self.stack.outputs()

    def preview(self, folder: Path, *flags: str, **changes: Any) -> Run:
        """Preview with some configuration values changed, in a copy of the stack's configuration."""
        document = yaml.safe_load((ROOT / f"Pulumi.{self.stack.name}.yaml").read_text())
        document["config"] |= {f"{PROJECT}:{key}": value for key, value in changes.items()}
        copy = folder / "stack.yaml"
        copy.write_text(yaml.safe_dump(document))
        return self.pulumi("preview", "--refresh=false", "--config-file", str(copy), *flags)

    def preview_steps(self, folder: Path, **changes: Any) -> list[dict[str, Any]]:
        """The steps such a preview plans, without those that change nothing."""
        run = self.preview(folder, "--json", **changes)
        assert run.code == 0, run.text
        steps: list[dict[str, Any]] = json.loads(run.out)["steps"]
        return [step for step in steps if step["op"] != "same"]
