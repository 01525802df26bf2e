"""A round of the synchronisation against an Odoo in memory, and the small world that is read from it."""

import json
from typing import Any

import psycopg

from tests.sql.odoo_double import OdooDouble

Session = psycopg.Connection[tuple[Any, ...]]

# Nobody deletes what arrived, but a first load begins with none of it: a superuser goes past the triggers that say so.
FORGET = """
do $$
declare
  names text;
begin
  set local session_replication_role = replica;
  select string_agg(format('%I.%I', t.schemaname, t.tablename), ', ') into names
  from pg_tables as t
  where t.schemaname in ('bronze', 'silver', 'gold')
    or (t.schemaname = 'sync' and t.tablename not in ('models', 'fields', 'odoo', 'cursors', 'company_choices'));
  execute 'truncate ' || names;
  update sync.cursors set
    watermark = null, polled_at = null, swept_at = null, failures = 0, retry_at = null, nudged = false;
end;
$$
"""


class Sync:
    """A round of the worker, with an Odoo in memory and a transaction that is rolled back."""

    def __init__(self, session: Session, odoo: OdooDouble) -> None:
        self.session = session
        self.odoo = odoo

    def next_request(self, model: str, reason: str = "poll") -> dict[str, Any]:
        version = json.dumps(self.odoo.say_version())
        return dict(self.one("select sync.next_request(%s, %s, %s::jsonb)", model, reason, version))

    def ingest(self, step: dict[str, Any], content: Any, date: str | None = None) -> dict[str, Any]:
        date = date or self.odoo.date()
        return dict(self.one("select sync.ingest(%s, %s::jsonb, %s)", step["run"], json.dumps(content), date))

    def carry(self, step: dict[str, Any]) -> dict[str, Any]:
        return self.ingest(step, self.odoo.post(step["path"], step["body"]))

    def model(self, model: str, reason: str = "poll") -> dict[str, Any]:
        step = self.next_request(model, reason)
        while step["more"]:
            step = self.carry(step)
            if step.get("again"):
                step = self.next_request(model, reason)
        return step

    def round(self) -> None:
        for (model,) in self.session.execute("select sync.models()").fetchall():
            self.model(model)

    def sweep(self, model: str) -> dict[str, Any]:
        self.session.execute("update sync.cursors set swept_at = null where model = %s", (model,))
        return self.model(model)

    def one(self, query: str, *values: object) -> Any:
        row = self.session.execute(query.encode(), values).fetchone()
        assert row is not None
        return row[0]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.session.execute(query.encode(), values).fetchall()


def company(odoo: OdooDouble, number: int, **values: Any) -> None:
    odoo.write("res.company", number, **{"name": f"Company {number}", "currency_id": 1, **values})


def invoice(odoo: OdooDouble, number: int, lines: dict[int, float], company_id: int = 1, **values: Any) -> None:
    """A posted customer invoice; its lines by id with their untaxed amounts."""
    total = sum(lines.values())
    odoo.write(
        "account.move", number,
        **{
            "name": f"INV/{number}", "move_type": "out_invoice", "state": "posted", "payment_state": "not_paid",
            "partner_id": 10, "journal_id": 1, "currency_id": 1, "company_id": company_id, "date": "2026-02-01",
            "invoice_date": "2026-02-01", "amount_untaxed": total, "amount_tax": 0.0, "amount_total": total,
            "amount_residual": total, "amount_untaxed_signed": total, "amount_total_signed": total,
            "amount_residual_signed": total, "line_ids": sorted(lines), **values,
        },
    )  # fmt: skip
    for line, amount in lines.items():
        odoo.write(
            "account.move.line", line,
            move_id=number, company_id=company_id, display_type="product", parent_state="posted", name=f"line {line}",
            product_id=20, quantity=1.0, price_unit=amount, price_subtotal=amount, price_total=amount,
            balance=-amount, currency_id=1, date="2026-02-01", reconciled=False,
        )  # fmt: skip


def small_world() -> OdooDouble:
    """Two companies, a shared partner, one of each company, a product, two invoices, a payment that settles one."""
    made = OdooDouble()
    company(made, 1)
    company(made, 2)
    made.write("res.currency", 1, name="EUR", symbol="€", decimal_places=2)
    made.write("res.partner", 10, name="Shared", is_company=True, company_id=False)
    made.write("res.partner", 11, name="First", is_company=False, company_id=1)
    made.write("res.partner", 12, name="Second", is_company=False, company_id=2)
    made.write(
        "product.product", 20, name="Chair", product_tmpl_id=5, company_id=False, list_price=10.5, lst_price=10.5,
        sale_ok=True, purchase_ok=False,
    )  # fmt: skip
    invoice(made, 100, {1001: 100.0, 1002: 50.5})
    invoice(made, 200, {2001: 70.0}, company_id=2)
    made.write(
        "account.payment",
        30,
        name="PAY/30",
        state="paid",
        payment_type="inbound",
        partner_type="customer",
        journal_id=2,
        currency_id=1,
        company_id=1,
        date="2026-02-02",
        amount=150.5,
        memo=False,
    )
    for number in (1, 2):
        made.write(
            "account.partial.reconcile",
            number,
            debit_move_id=1001,
            credit_move_id=1002,
            amount=1.0,
            company_id=number,
        )
    made.write(
        "account.payment",
        31,
        name="PAY/31",
        state="draft",
        payment_type="outbound",
        partner_type="supplier",
        journal_id=2,
        currency_id=1,
        company_id=2,
        date="2026-02-02",
        amount=7.0,
        memo="7",
    )
    made.pass_time(600)
    return made
