"""What gold should hold, as worked out from Odoo's rows."""

from datetime import date
from decimal import Decimal
from typing import Any

from tests.odoo.gold import INVOICE, LINE, PARTNER, PRODUCT, Row, expected

DAY = date(2026, 2, 1)


def invoice(move_type: str, **values: Any) -> Row:
    names = ("number", "payment_state", "due_date", "partner_id", "commercial_partner_id", "currency_id")
    return {
        **dict.fromkeys(names),
        "move_type": move_type,
        "state": "posted",
        "invoice_date": DAY,
        "company_id": 1,
        **values,
    }


def line(of_invoice: int, amount: str, **values: Any) -> Row:
    """What is sold is on the credit side, so its balance is negative."""
    names = ("product_id", "account_id", "price_unit", "discount")
    amounts = {"price_subtotal": abs(Decimal(amount)), "price_total": abs(Decimal(amount)), "balance": Decimal(amount)}
    return {
        **dict.fromkeys(names),
        "invoice_id": of_invoice,
        "name": "x",
        "display_type": "product",
        "quantity": Decimal(1),
        **amounts,
        **values,
    }


def gold(invoices: dict[int, Row], lines: dict[int, Row]) -> dict[str, Any]:
    return dict(expected({PARTNER: {}, PRODUCT: {}, INVOICE: invoices, LINE: lines}))


def test_sales_and_refunds_of_a_day_are_summed_and_purchases_are_not() -> None:
    invoices = {1: invoice("out_invoice"), 2: invoice("out_refund"), 3: invoice("in_invoice")}
    lines = {
        10: line(1, "-100"),
        11: line(1, "-50.5"),
        12: line(1, "-20", display_type="tax"),
        20: line(2, "30"),
        30: line(3, "70"),
    }
    found = gold(invoices, lines)
    facts = found["fact_invoice"]
    assert {ident: (row["direction"], row["quantity"], row["amount_company"]) for ident, row in facts.items()} == {
        10: ("sale", 1, 100),
        11: ("sale", 1, Decimal("50.5")),
        20: ("sale", -1, -30),
        30: ("purchase", 1, 70),
    }
    assert found["agg_revenue_daily"] == {
        (DAY, 1): {"invoices": 1, "refunds": 1, "lines": 3, "revenue": Decimal("120.5"), "refunded": 30}
    }


def test_drafts_and_what_belongs_to_no_invoice_are_no_facts() -> None:
    found = gold({1: invoice("out_invoice", state="draft")}, {10: line(1, "-100"), 20: line(2, "-100")})
    assert (found["fact_invoice"], found["agg_revenue_daily"]) == ({}, {})
