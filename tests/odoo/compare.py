"""Odoo against what the platform made of it, field by field, as the API tells it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from ops.odoo_api import Odoo
from tests.odoo import gold
from tests.odoo.gold import Row, Rows
from tests.odoo.mapping import Session, Table

WHOLE = "(row)"
COMPANY = "company_id"


@dataclass(frozen=True)
class Difference:
    """A field that is not the same on both sides; of a row that only one of them has, WHOLE."""

    model: str
    id: Any
    field: str
    odoo: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.model} {self.id} {self.field}: Odoo has {self.odoo!r}, we have {self.ours!r}"


def read_odoo(odoo: Odoo, table: Table) -> dict[int, Row]:
    """Every record of a model, archived ones too, in Python's types under silver's names, with its company."""
    columns = dict(table.columns)
    if table.company_field:
        columns[table.company_field] = COMPANY
    kinds = {name: facts["type"] for name, facts in odoo.call(table.model, "fields_get", attributes=["type"]).items()}
    rows = odoo.read(table.model, table.domain, list(columns), page=2000)
    return {
        row["id"]: {column: as_python(kinds[field], row[field]) for field, column in columns.items()} for row in rows
    }


def read_silver(session: Session, table: Table) -> dict[str, dict[int, Row]]:
    """The rows of silver by organisation and id."""
    schema, name = table.name.split(".")
    columns = [*table.columns.values(), "id", "org_id", *([COMPANY] if table.company_field else [])]
    found: dict[str, dict[int, Row]] = {}
    with session.cursor(row_factory=dict_row) as cursor:
        listed = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(columns)))
        for row in cursor.execute(sql.SQL("select {} from {}").format(listed, sql.Identifier(schema, name))):
            found.setdefault(str(row["org_id"]), {})[row["id"]] = row
    return found


def differences(odoo: Odoo, session: Session, tables: Mapping[str, Table]) -> list[Difference]:
    """Odoo as it is now against silver and gold: an organisation has the records of its companies, and those of nobody.

    What it says of gold names the table where it names a model otherwise.
    """
    companies: dict[str, set[int | None]] = {}
    for company, organisation in session.execute("select company_id, org_id::text from sync.companies"):
        companies.setdefault(organisation, {None}).add(company)
    found: list[Difference] = []
    kept: dict[str, dict[str, Rows]] = {}
    for table in tables.values():
        theirs, ours = read_odoo(odoo, table), read_silver(session, table)
        for organisation in companies.keys() | ours.keys():
            own = companies.get(organisation, set())
            expected = {ident: row for ident, row in theirs.items() if row.get(COMPANY) in own}
            found += compare(table.model, expected, ours.get(organisation, {}))
            if table.model in gold.MODELS:
                kept.setdefault(organisation, {})[table.model] = expected
    stored = gold.read(session)
    for organisation in kept.keys() | stored.keys():
        nothing: dict[str, Rows] = {model: {} for model in gold.MODELS}
        for name, rows in gold.expected(kept.get(organisation, nothing)):
            found += compare(f"gold.{name}", rows, stored.get(organisation, {}).get(name, {}))
    return found


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


def as_python(kind: str, value: Any) -> Any:
    """A value of Odoo's JSON, where an empty field of any type but a boolean is false."""
    if kind == "boolean":
        return bool(value)
    if value is False or value is None:
        return None
    convert = _CONVERSIONS.get(kind)
    return convert(value) if convert else value


def same(theirs: Any, ours: Any) -> bool:
    """Whether two values are equal; a boolean is no number, numbers are compared to the last digit, lists as sets."""
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return theirs is ours
    if isinstance(theirs, list) and isinstance(ours, list):
        return sorted(theirs) == sorted(ours)
    if isinstance(theirs, Decimal) and isinstance(ours, float):
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
