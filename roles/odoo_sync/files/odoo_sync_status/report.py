"""The report of a night: Odoo against the platform, as a person reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PREFIX, SUFFIX = "reconciliation-", ".txt"
# Every model is compared at least once an hour.
STALE = timedelta(hours=24)
# So many ids of a company and a day the database names at most.
LISTED = 100


@dataclass(frozen=True)
class Report:
    """The file's name and text, and the line for the journal."""

    name: str
    text: str
    line: str


def report(status: Mapping[str, Any], *, reads: bool) -> Report:
    """What the last reconciliation of each model found, of a status as `sync.status()` gives it."""
    at = datetime.fromisoformat(status["at"]).astimezone(UTC)
    rows = status["reconciliation"]
    totals = [row for row in rows if row["day"] is None]
    compared = {str(row["model"]) for row in rows}
    # The same record is counted for its company and for its day.
    differences = {(row["model"], number) for row in rows for number in row["differing_ids"]}
    records = sum(row["odoo_records"] for row in totals)
    stale = [row["model"] for row in status["models"] if _is_stale(row["swept_at"], at)]
    line = (
        f"reconciled: {_count(len(compared), 'model')}, {_count(records, 'record')}, "
        f"{_count(len(differences), 'difference')}"
        + (f"; not compared for a day: {', '.join(stale)}" if stale and reads else "")
        if reads or compared
        else "reconciled: nothing, because no Odoo is configured; 0 differences"
    )
    parts = [
        f"Odoo and the platform, {at:%Y-%m-%d %H:%M} UTC",
        line,
        *(["No Odoo is configured now; what follows was compared before."] if compared and not reads else []),
        "DIFFERENCES\n" + _or_none([_difference(row) for row in rows if not row["agrees"]]),
        "COMPARED\n" + _or_none([_compared(row) for row in totals]),
    ]
    return Report(f"{PREFIX}{at:%Y-%m-%d}{SUFFIX}", "\n\n".join(parts) + "\n", line)


def kept(folder: Path) -> list[Path]:
    """The reports that are there, the newest first."""
    return sorted(folder.glob(f"{PREFIX}*{SUFFIX}"), reverse=True)


def superfluous(folder: Path, today: datetime, days: int) -> list[Path]:
    """The reports that are older than so many days, by their names."""
    oldest = f"{PREFIX}{today - timedelta(days=days):%Y-%m-%d}{SUFFIX}"
    return [path for path in kept(folder) if path.name < oldest]


def _is_stale(moment: str | None, at: datetime) -> bool:
    return moment is None or datetime.fromisoformat(moment) < at - STALE


def _difference(row: Mapping[str, Any]) -> str:
    day = row["day"] or "all days"
    gold = "" if row["gold_sum"] is None else f", {row['gold_sum']:,.2f} in gold"
    more = ", and more" if len(row["differing_ids"]) >= LISTED else ""
    return (
        f"{row['model']}, {_company(row)}, {day}: {row['odoo_records']:,} in Odoo, {row['silver_records']:,} in silver;"
        f" sums {_sums(row['odoo_sums'])} in Odoo, {_sums(row['silver_sums'])} in silver{gold}\n"
        f"    ids: {', '.join(map(str, row['differing_ids']))}{more}"
    )


def _compared(row: Mapping[str, Any]) -> str:
    at = datetime.fromisoformat(row["at"]).astimezone(UTC)
    return (
        f"{row['model']}, {_company(row)}, at {at:%H:%M:%S}: {row['odoo_records']:,} records, "
        f"sums {_sums(row['odoo_sums'])}: {'agrees' if row['agrees'] else 'differs'}"
    )


def _company(row: Mapping[str, Any]) -> str:
    return "all companies" if row["company_id"] is None else f"company {row['company_id']}"


def _sums(values: Sequence[float]) -> str:
    return " / ".join(f"{value:,.2f}" for value in values) or "none"


def _or_none(lines: Sequence[str]) -> str:
    return "\n".join(lines) or "none"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
