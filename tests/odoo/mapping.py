"""Which field of Odoo is which column of silver: the one place that says so.

Left out on purpose: full_reconcile_id of lines and of reconciliations and matching_number of lines, which Odoo changes
without a new write_date, and standard_price of products, of which each company has its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Where the records of a model are, and as which columns."""

    name: str
    columns: Mapping[str, str]


def _same(*fields: str, **renamed: str) -> dict[str, str]:
    return {**{field: field for field in fields}, **renamed}


TABLES: dict[str, Table] = {
    "res.partner": Table(
        "silver.partners",
        _same(
            "name", "email", "phone", "vat", "is_company", "parent_id", "commercial_partner_id", "company_id", "street",
            "street2", "city", "zip", "country_id", "ref", "active", "customer_rank", "supplier_rank",
        ),
    ),
    "product.product": Table(
        "silver.products",
        _same(
            "name", "default_code", "barcode", "list_price", "type", "active", "company_id",
            product_tmpl_id="template_id", categ_id="category_id",
        ),
    ),
    "account.move": Table(
        "silver.invoices",
        _same(
            "move_type", "state", "payment_state", "partner_id", "company_id", "invoice_date", "date", "currency_id",
            "amount_untaxed", "amount_tax", "amount_total", "amount_residual", "amount_untaxed_signed",
            "amount_total_signed", "amount_residual_signed", "ref", "payment_reference", "reversed_entry_id",
            name="number", invoice_date_due="due_date",
        ),
    ),
    "account.move.line": Table(
        "silver.invoice_lines",
        _same(
            "product_id", "account_id", "partner_id", "company_id", "name", "quantity", "price_unit", "discount",
            "price_subtotal", "price_total", "balance", "amount_residual", "reconciled", "display_type", "parent_state",
            move_id="invoice_id",
        ),
    ),
    "account.payment": Table(
        "silver.payments",
        _same(
            "state", "partner_id", "company_id", "amount", "currency_id", "date", "payment_type", "partner_type",
            "memo", "is_reconciled", "move_id", name="number",
        ),
    ),
    "account.partial.reconcile": Table(
        "silver.reconciliations",
        _same("amount", "debit_move_id", "credit_move_id", "company_id", "max_date"),
    ),
}  # fmt: skip
