"""What monitoring is told, as node-exporter's textfile collector reads it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

WRITTEN, CONFIGURED, REPORTED = (
    f"odoo_sync_{name}" for name in ("written_timestamp_seconds", "configured", "report_timestamp_seconds")
)
# The measurements of `sync.metrics()`, and those above, which are made here.
HELP = {
    "odoo_sync_lag_seconds": "How long ago a model was last read to its end.",
    "odoo_sync_failures": "Failed runs of a model since the last one that succeeded.",
    "odoo_sync_quarantined": "Records of a model that were set aside.",
    "odoo_sync_dead_letters": "What could not be done and waits for somebody.",
    "odoo_sync_conflicts_total": "Records that two sides wanted to have differently.",
    "odoo_sync_latency_p95_seconds": "From a change in Odoo to gold, of the last hour.",
    "odoo_sync_refused": "Models that Odoo refuses: the key, or access to what is read.",
    "odoo_sync_reconciliation_age_seconds": "How long ago Odoo and the platform were last compared.",
    "odoo_sync_reconciliation_differences": "Records that differed then.",
    WRITTEN: "When these figures were asked for; an old moment means that nobody could.",
    CONFIGURED: "Whether there is an Odoo to read from.",
    REPORTED: "When the last nightly report was written.",
}


def render(measured: Iterable[Sequence[object]], at: datetime, reported: datetime | None = None, *, reads: bool) -> str:
    """The rows of `sync.metrics()` (name, labels, value), and how fresh they are."""
    values: dict[str, list[str]] = {}
    own: list[Sequence[object]] = [(WRITTEN, {}, at.timestamp()), (CONFIGURED, {}, int(reads))]
    own += [(REPORTED, {}, reported.timestamp())] if reported else []
    for name, labels, value in (*measured, *own):
        if value is not None:
            values.setdefault(str(name), []).append(f"{name}{_labels(labels)} {float(str(value)):.15g}")
    lines = []
    for name, rows in values.items():
        lines += [f"# HELP {name} {HELP[name]}"] if name in HELP else []
        lines += [f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}", *sorted(rows)]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: object) -> str:
    if not isinstance(labels, Mapping) or not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
