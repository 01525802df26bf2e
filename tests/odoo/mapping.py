"""Which field of Odoo is which column of silver: what the database itself says, so that it is said once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Table:
    """A model of Odoo and its table in silver."""

    model: str
    name: str
    # The records that are read.
    domain: list[Any]
    # Where a record says which company it belongs to; None where it never does.
    company_field: str | None
    # Column by field.
    columns: Mapping[str, str]


def read_tables(session: Session, version: int) -> dict[str, Table]:
    """The tables by model, in the order that they are filled in, with the fields that a version of Odoo has."""
    columns: dict[str, dict[str, str]] = {}
    for model, field, column in session.execute(
        'select model, field, "column" from sync.fields where %s between since and until order by position', [version]
    ):
        columns.setdefault(model, {})[field] = column
    models = session.execute("select name, title, domain, company_field from sync.models order by position")
    return {
        model: Table(model, f"silver.{title}", domain, company_field, columns[model])
        for model, title, domain, company_field in models
    }
