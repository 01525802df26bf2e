"""How a benchmark says what it measured."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.table import table

RESULTS = Path(__file__).resolve().parent / "results"


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum of the measured seconds, to the millisecond."""
    return {
        "min": round(min(seconds), 3),
        "median": round(statistics.median(seconds), 3),
        "max": round(max(seconds), 3),
    }


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[str]], data: dict[str, Any]) -> None:
    """Print one table and write the figures with the machine they were measured on."""
    print(table(header, rows))
    RESULTS.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        **data,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    print(f"\n{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
