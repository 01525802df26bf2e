"""Data in bulk, made by Odoo's own code. This file is sent to `odoo shell` as it is, so it imports nothing of ours."""

import json
import random
import time
from typing import Any

BATCH = 1000
MOVES = 200
QUIET = {
    "tracking_disable": True,
    "mail_create_nosubscribe": True,
    "mail_create_nolog": True,
    "no_reset_password": True,
}
CITIES = ["Basel", "Zürich", "São Paulo", "Kraków", "Łódź", "Gent", "Ålesund", "Niš", "北京", "New York"]
KINDS = ["out_invoice"] * 14 + ["in_invoice"] * 3 + ["out_refund"] * 2 + ["in_refund"]


def build(env: Any, *, seed: int, partners: int, products: int, invoices: int, company: int | None) -> dict[str, float]:
    """Partners, products and invoices of both companies or of one; returns how many there are and the seconds taken."""
    chance = random.Random(seed)
    env = env(context={**env.context, **QUIET})
    companies = env["res.company"].search([], order="id")
    made: dict[str, float] = {}
    started = time.monotonic()

    def note(name: str, count: int) -> None:
        nonlocal started
        made[name], made[f"{name}_seconds"] = count, round(time.monotonic() - started, 1)
        started = time.monotonic()

    note("partners", _partners(env, chance, companies, partners))
    note("products", _products(env, chance, products))
    theirs, alone = env["res.company"].browse(company) if company else companies, bool(company)
    note("invoices", sum(_invoices(env, chance, one, invoices // len(theirs), seed, alone=alone) for one in theirs))
    return made


def _partners(env: Any, chance: random.Random, companies: Any, wanted: int) -> int:
    """A third are companies, half of the rest their contacts; some belong to one of our companies alone."""
    countries = env["res.country"].search([("code", "in", ["CH", "BE", "PL", "US", "BR"])]).ids
    parents: list[tuple[int, int | bool]] = []
    made = 0
    while made < wanted:
        rows = []
        for number in range(made, min(made + BATCH, wanted)):
            owner = chance.choice([False, False, False, *companies.ids])
            row = {
                "name": f"Partner {number} {chance.choice(['AG', 'Sàrl', 'Ltd', 'S.A.'])}",
                "email": f"partner{number}@example.com",
                "phone": f"+41 61 {number:07d}",
                "street": f"Street {chance.randrange(200)}",
                "zip": str(1000 + chance.randrange(9000)),
                "city": chance.choice(CITIES),
                "country_id": chance.choice(countries),
                "ref": f"P{number:06d}",
                "company_id": owner,
                "is_company": number % 3 == 0,
                "active": chance.random() > 0.03,
            }
            if number % 3 == 1 and parents:
                row["parent_id"], row["company_id"] = chance.choice(parents)
            rows.append(row)
        records = env["res.partner"].create(rows)
        parents += [(record.id, record.company_id.id) for record in records if record.is_company and record.active]
        made += len(rows)
        env.cr.commit()
        env.invalidate_all()
    return made


def _products(env: Any, chance: random.Random, wanted: int) -> int:
    categories = env["product.category"].search([]).ids
    for start in range(0, wanted, BATCH):
        env["product.product"].create(
            [
                {
                    "name": f"Article {number}",
                    "default_code": f"A{number:05d}",
                    "barcode": f"76{number:011d}",
                    "list_price": chance.randrange(100, 100000) / 100,
                    "categ_id": chance.choice(categories),
                    "type": chance.choice(["consu", "service"]),
                }
                for number in range(start, min(start + BATCH, wanted))
            ]
        )
        env.cr.commit()
    return wanted


def _invoices(env: Any, chance: random.Random, company: Any, wanted: int, seed: int, *, alone: bool) -> int:
    """Invoices, bills and refunds of one company: most posted, of those half paid and some in part.

    One that is alone leaves those partners alone that are another company's turn.
    """
    from odoo.service.model import retrying  # type: ignore[import-not-found]

    env = env(context={**env.context, "allowed_company_ids": [company.id]})
    here = [("company_id", "in", [False, company.id]), ("active", "=", True)]
    partners = env["res.partner"].search(here, limit=5000)
    if alone:
        # Odoo counts at each partner what was posted: two runs at once would wait for each other.
        turns = env["res.company"].sudo().search_count([])
        partners = partners.filtered(lambda one: (one.commercial_partner_id.id - company.id) % turns == 0)
    customers = partners.ids
    products = env["product.product"].search([("company_id", "in", [False, company.id])], limit=2000).ids
    made = 0

    def batch() -> int:
        kind = chance.choice(KINDS)
        moves = env["account.move"].create(
            [
                {
                    "move_type": kind,
                    "partner_id": chance.choice(customers),
                    "invoice_date": f"2026-{chance.randrange(1, 11):02d}-{chance.randrange(1, 29):02d}",
                    "ref": f"{company.id}-{kind}-{seed}-{number}",
                    "invoice_line_ids": [
                        (
                            0,
                            0,
                            {
                                "product_id": chance.choice(products),
                                "quantity": chance.randrange(1, 20),
                                "price_unit": chance.randrange(100, 50000) / 100,
                                "discount": chance.choice([0, 0, 0, 10, 12.5]),
                            },
                        )
                        for _ in range(chance.randrange(1, 5))
                    ],
                }
                for number in range(made, min(made + MOVES, wanted))
            ]
        )
        posted = moves[: len(moves) * 9 // 10]
        posted.action_post()
        half, few = len(posted) // 2, len(posted) // 20
        _pay(env, posted[:half])
        for move in posted[half : half + few]:
            _pay(env, move, amount=round(move.amount_residual / 3, 2))
        return len(moves)

    while made < wanted:
        # Commits, or begins anew if another run changed the same record meanwhile.
        made += retrying(batch, env)
        env.invalidate_all()
    return made


def _pay(env: Any, moves: Any, **values: Any) -> None:
    moves = moves.filtered("amount_residual")
    if moves:
        selected = {"active_model": "account.move", "active_ids": moves.ids}
        env["account.payment.register"].with_context(**selected).create(
            {"group_payment": False, **values}
        )._create_payments()


def main(env: Any, **wanted: Any) -> None:
    """What is run in `odoo shell`."""
    print("WORLD " + json.dumps(build(env, **wanted)))
