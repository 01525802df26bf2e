"""Odoo against what the platform made of it, field by field, as the API tells it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from ops.odoo_api import Odoo
from tests.odoo.mapping import TABLES

Rows = Mapping[int, Mapping[str, Any]]
WHOLE = "(row)"


@dataclass(frozen=True)
class Difference:
    """A field that is not the same on both sides; of a row that only one of them has, WHOLE."""

    model: str
    id: int
    field: str
    odoo: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.model} {self.id} {self.field}: Odoo has {self.odoo!r}, we have {self.ours!r}"


def read_odoo(odoo: Odoo, model: str) -> dict[int, dict[str, Any]]:
    """Every record of a model, archived ones too, in Python's types; silver's columns name the fields."""
    columns = TABLES[model].columns
    kinds = {name: facts["type"] for name, facts in odoo.call(model, "fields_get", attributes=["type"]).items()}
    rows = odoo.read(model, [], list(columns), page=2000)
    return {
        row["id"]: {column: as_python(kinds[field], row[field]) for field, column in columns.items()} for row in rows
    }


def compare(model: str, theirs: Rows, ours: Rows) -> Iterator[Difference]:
    """What differs, row by row in the order of the ids. Ours may have more columns than are compared."""
    for ident in sorted(theirs.keys() | ours.keys()):
        if ident not in ours:
            yield Difference(model, ident, WHOLE, "a row", None)
        elif ident not in theirs:
            yield Difference(model, ident, WHOLE, None, "a row")
        else:
            for column, value in theirs[ident].items():
                if not same(value, ours[ident][column]):
                    yield Difference(model, ident, column, value, ours[ident][column])


def differences(odoo: Odoo, ours: Mapping[str, Rows]) -> list[Difference]:
    """Odoo as it is now against our rows of each model: columns by id."""
    return [found for model, rows in ours.items() for found in compare(model, read_odoo(odoo, model), rows)]


def as_python(kind: str, value: Any) -> Any:
    """A value of Odoo's JSON, where an empty field of any type but a boolean is false."""
    if kind == "boolean":
        return bool(value)
    if value is False or value is None:
        return None
    convert = _CONVERSIONS.get(kind)
    return convert(value) if convert else value


def same(theirs: Any, ours: Any) -> bool:
    """Whether two values are equal; a boolean is no number, and numbers are compared to the last digit."""
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return theirs is ours
    if isinstance(theirs, Decimal) and isinstance(ours, int | float):
        return theirs == _decimal(ours)
    return bool(theirs == ours)


def _decimal(value: float) -> Decimal:
    """The number as it was written: 0.1, and not the nearest binary fraction."""
    return Decimal(repr(value))


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "float": _decimal,
    "monetary": _decimal,
    "date": date.fromisoformat,
    "datetime": lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
}
