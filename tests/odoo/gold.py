"""What gold should hold, worked out from what Odoo's API tells and from nothing that the platform stored."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg.rows import dict_row

from tests.odoo.mapping import Session

Row = dict[str, Any]
Rows = Mapping[Any, Mapping[str, Any]]

PARTNER, PRODUCT, INVOICE, LINE = "res.partner", "product.product", "account.move", "account.move.line"
# What of Odoo is in gold.
MODELS = (PARTNER, PRODUCT, INVOICE, LINE)
# The table of each dimension, its key, and the attributes that make a version.
_DIMENSIONS = {
    PARTNER: (
        "dim_partner",
        "partner_id",
        ("name", "ref", "is_company", "commercial_partner_id", "email", "vat", "city", "zip", "country_code", "active"),
    ),
    PRODUCT: (
        "dim_product",
        "product_id",
        ("template_id", "name", "default_code", "barcode", "type", "category_id", "list_price", "active"),
    ),
}
_OF_INVOICE = (
    "number", "move_type", "payment_state", "invoice_date", "due_date", "partner_id", "commercial_partner_id",
    "currency_id", "company_id",
)  # fmt: skip
_OF_LINE = ("product_id", "account_id", "price_unit", "discount")


def expected(theirs: Mapping[str, Rows]) -> Iterator[tuple[str, Rows]]:
    """Each table of gold with its rows, for the records of one organisation as `compare.read_odoo` gives them."""
    for model, (table, _, attributes) in _DIMENSIONS.items():
        yield table, {ident: {name: row[name] for name in attributes} for ident, row in theirs[model].items()}
    facts = _facts(theirs[INVOICE], theirs[LINE])
    yield "fact_invoice", facts
    yield "agg_revenue_daily", _days(facts)


def read(session: Session) -> dict[str, dict[str, dict[Any, Row]]]:
    """The rows of gold that hold now, by organisation and table."""
    found: dict[str, dict[str, dict[Any, Row]]] = {}
    # The key, what is read (a version begins at -infinity, which Python does not know), and which rows.
    tables: dict[str, tuple[tuple[str, ...], str, str]] = {
        **{
            table: ((key,), ", ".join(("org_id", key, *attributes)), "is_current")
            for table, key, attributes in _DIMENSIONS.values()
        },
        "fact_invoice": (("line_id",), "*", "true"),
        "agg_revenue_daily": (("day", "company_id"), "*", "true"),
    }
    with session.cursor(row_factory=dict_row) as cursor:
        for table, (key, columns, condition) in tables.items():
            for row in cursor.execute(f"select {columns} from gold.{table} where {condition}".encode()):
                ident = row[key[0]] if len(key) == 1 else tuple(row[name] for name in key)
                rows = found.setdefault(str(row["org_id"]), {}).setdefault(table, {})
                assert ident not in rows, f"gold.{table} has {ident} twice"
                rows[ident] = row
    return found


def _facts(invoices: Rows, lines: Rows) -> dict[int, Row]:
    """The lines of posted invoices that sell or buy something; those of refunds count backwards."""
    facts = {}
    for ident, line in lines.items():
        invoice = invoices.get(line["invoice_id"])
        if invoice is None or invoice["state"] != "posted" or line["display_type"] != "product":
            continue
        sign = -1 if invoice["move_type"].endswith("_refund") else 1
        is_sale = invoice["move_type"].startswith("out_")
        facts[ident] = {
            **{name: invoice[name] for name in _OF_INVOICE},
            **{name: line[name] for name in _OF_LINE},
            "invoice_id": line["invoice_id"],
            "direction": "sale" if is_sale else "purchase",
            "description": line["name"],
            "quantity": sign * line["quantity"],
            "amount_untaxed": sign * line["price_subtotal"],
            "amount_total": sign * line["price_total"],
            # The accounts have revenue on the other side of the ledger.
            "amount_company": -line["balance"] if is_sale else line["balance"],
        }
    return facts


def _days(facts: Rows) -> dict[tuple[date, int], Row]:
    sold: dict[tuple[date, int], list[Mapping[str, Any]]] = {}
    for fact in facts.values():
        if fact["direction"] == "sale":
            sold.setdefault((fact["invoice_date"], fact["company_id"]), []).append(fact)
    days = {}
    for key, of_day in sold.items():
        refunds = [fact for fact in of_day if fact["move_type"] == "out_refund"]
        invoices = [fact for fact in of_day if fact["move_type"] != "out_refund"]
        days[key] = {
            "invoices": len({fact["invoice_id"] for fact in invoices}),
            "refunds": len({fact["invoice_id"] for fact in refunds}),
            "lines": len(of_day),
            "revenue": sum((fact["amount_company"] for fact in of_day), Decimal()),
            "refunded": -sum((fact["amount_company"] for fact in refunds), Decimal()),
        }
    return days
