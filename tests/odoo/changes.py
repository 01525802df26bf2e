"""A stream of random changes, as people make them: each step is one call or a few, and is written down."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.odoo_api import Odoo, OdooError

_NEWEST = 300
# What Odoo may say no to without anything being wrong: a rule of its business that a random step happens to break.
_MAY_REFUSE = ("UserError", "ValidationError", "RedirectWarning", "MissingError", "LockError")


@dataclass(frozen=True)
class Step:
    """What was done to which records, when (by this machine's clock, after the call), and what Odoo refused."""

    number: int
    kind: str
    model: str
    ids: tuple[int, ...]
    at: float
    refused: str = ""

    @property
    def done(self) -> bool:
        """Whether it changed something."""
        return bool(self.ids) and not self.refused


@dataclass
class Stream:
    """Random steps of an administrator; the same seed on the same data does the same."""

    odoo: Odoo
    seed: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._companies = self.odoo.search("res.company", [])
        self._products = self.odoo.search("product.product", [("active", "=", True)])
        # Those of users and companies are not ours to rename, archive or delete.
        shared = [("user_ids", "=", False), ("ref_company_ids", "=", False), ("company_id", "=", False)]
        self._partners = self.odoo.search("res.partner", [*shared, ("active", "=", True)], limit=10_000)
        self._made: list[int] = []
        self._kinds, self._weights = zip(*((name, weight) for name, (_, _, weight) in _KINDS.items()), strict=True)

    def run(self, count: int, *, pause: float = 0) -> list[Step]:
        """Do so many steps more; returns them."""
        for _ in range(count):
            self.step(self._chance.choices(self._kinds, self._weights)[0])
            time.sleep(pause)
        return self.steps[-count:]

    def step(self, kind: str) -> Step:
        """Do one step of a kind. Where nothing suits it, or Odoo refuses it, the step says so."""
        action, model, _ = _KINDS[kind]
        refused = ""
        try:
            ids = tuple(action(self))
        except OdooError as error:
            if error.name.rpartition(".")[2] not in _MAY_REFUSE:
                raise
            ids, refused = (), error.message.splitlines()[0]
        self.steps.append(Step(len(self.steps) + 1, kind, model, ids, time.time(), refused))
        return self.steps[-1]

    def summary(self) -> dict[str, int]:
        """How many steps of each kind changed something."""
        return dict(Counter(step.kind for step in self.steps if step.done))

    # What the steps are made of.

    def _word(self) -> str:
        return f"{self._chance.choice(['Ärger', 'Bœuf', 'Łąka', 'quote"s', 'a,b;c', '日本', 'O' + chr(39) + 'Neill'])}"

    def _unique(self, what: str) -> str:
        return f"{what} {self._word()} {self.seed}-{len(self.steps)}"

    def _one(self, ids: Sequence[int]) -> list[int]:
        return [self._chance.choice(ids)] if ids else []

    def _some(self, model: str, *domain: Any) -> list[int]:
        """One of the newest records that suit."""
        found: list[int] = self.odoo.call(
            model, "search", domain=list(domain), order="id desc", limit=_NEWEST, context={"active_test": False}
        )
        return self._one(found)

    def _draft(self) -> list[int]:
        return self._some("account.move", ("state", "=", "draft"), ("move_type", "=", "out_invoice"))

    def _company_of(self, model: str, ids: Sequence[int]) -> dict[str, Any]:
        """The context of the company that records belong to."""
        company = self.odoo.call(model, "read", ids, fields=["company_id"], load=None)[0]["company_id"]
        return {"allowed_company_ids": [company]}

    def _set(self, model: str, ids: Sequence[int], **values: Any) -> Sequence[int]:
        if ids:
            self.odoo.write(model, ids, values)
        return ids

    def _do(self, model: str, method: str, ids: Sequence[int]) -> Sequence[int]:
        if ids:
            self.odoo.call(model, method, ids, context=self._company_of(model, ids))
        return ids

    def _edit_lines(self, move: Sequence[int], *commands: Any) -> Sequence[int]:
        if not commands:
            return []
        if move:
            context = self._company_of("account.move", move)
            self.odoo.write("account.move", move, {"invoice_line_ids": list(commands)}, **context)
        return move

    def _line(self) -> dict[str, Any]:
        return {
            "product_id": self._chance.choice(self._products),
            "quantity": self._chance.randrange(1, 9),
            "price_unit": self._chance.randrange(100, 90000) / 100,
        }

    # Partners.

    def create_partner(self) -> Sequence[int]:
        owner = self._chance.choice([False, *self._companies])
        row = {"name": self._unique("New"), "is_company": True, "city": self._word(), "company_id": owner}
        made = self.odoo.create("res.partner", [row])
        self._made += made
        self._partners += [] if owner else made
        return made

    def create_contact(self) -> Sequence[int]:
        parents = self._one(self._partners)
        rows = [{"name": self._unique("Contact"), "parent_id": parent, "function": "Clerk"} for parent in parents]
        made = self.odoo.create("res.partner", rows)
        self._made += made
        return made

    def edit_partner(self) -> Sequence[int]:
        name, value = self._chance.choice(
            [
                ("email", f"{len(self.steps)}@example.org"),
                ("street", self._unique("Way")),
                ("phone", False),
                ("ref", "R1"),
            ]
        )
        return self._set("res.partner", self._one(self._partners), **{name: value})

    def rename_partner(self) -> Sequence[int]:
        return self._set("res.partner", self._one(self._partners), name=self._unique("Renamed"))

    def archive_partner(self) -> Sequence[int]:
        return self._set("res.partner", self._one(self._partners), active=False)

    def restore_partner(self) -> Sequence[int]:
        archived = self._some("res.partner", ("active", "=", False), ("id", "in", self._partners))
        return self._set("res.partner", archived, active=True)

    def delete_partner(self) -> Sequence[int]:
        gone = self._one(self._made)
        if gone:
            self.odoo.unlink("res.partner", gone)
            self._made = [ident for ident in self._made if ident not in gone]
            self._partners = [ident for ident in self._partners if ident not in gone]
        return gone

    # Products.

    def create_product(self) -> Sequence[int]:
        row = {"name": self._unique("Thing"), "list_price": self._chance.randrange(1, 9999) / 100}
        made = self.odoo.create("product.product", [row])
        self._products += made
        return made

    def _template(self) -> list[int]:
        products = self._one(self._products)
        rows = self.odoo.call("product.product", "read", products, fields=["product_tmpl_id"], load=None)
        return [row["product_tmpl_id"] for row in rows]

    def change_price(self) -> Sequence[int]:
        return self._set("product.template", self._template(), list_price=self._chance.randrange(1, 99999) / 100)

    def rename_product(self) -> Sequence[int]:
        return self._set("product.template", self._template(), name=self._unique("Product"))

    def archive_product(self) -> Sequence[int]:
        return self._set("product.product", self._one(self._products), active=False)

    # Invoices.

    def create_invoice(self) -> Sequence[int]:
        row = {
            "move_type": self._chance.choice(["out_invoice", "out_invoice", "out_invoice", "out_refund", "in_invoice"]),
            "partner_id": self._chance.choice(self._partners),
            "invoice_date": f"2026-{self._chance.randrange(1, 11):02d}-{self._chance.randrange(1, 29):02d}",
            "invoice_line_ids": [(0, 0, self._line()) for _ in range(self._chance.randrange(1, 4))],
        }
        return self.odoo.create("account.move", [row], allowed_company_ids=[self._chance.choice(self._companies)])

    def _line_of(self, move: Sequence[int]) -> list[int]:
        domain = [("move_id", "in", list(move)), ("display_type", "=", "product")]
        return self._one(self.odoo.search("account.move.line", domain))

    def edit_line(self) -> Sequence[int]:
        move = self._draft()
        changed = {"quantity": self._chance.randrange(1, 99), "name": self._unique("Line")}
        return self._edit_lines(move, *((1, line, changed) for line in self._line_of(move)))

    def add_line(self) -> Sequence[int]:
        note = {"display_type": "line_note", "name": self._unique("Note")}
        return self._edit_lines(self._draft(), (0, 0, self._line()), (0, 0, note))

    def delete_line(self) -> Sequence[int]:
        move = self._draft()
        return self._edit_lines(move, *((2, line, 0) for line in self._line_of(move)))

    def post_invoice(self) -> Sequence[int]:
        return self._do("account.move", "action_post", self._draft())

    def delete_invoice(self) -> Sequence[int]:
        move = self._draft()
        if move:
            self.odoo.unlink("account.move", move)
        return move

    def cancel_invoice(self) -> Sequence[int]:
        return self._do("account.move", "button_cancel", self._draft())

    def reopen_invoice(self) -> Sequence[int]:
        unpaid = [("state", "=", "posted"), ("move_type", "=", "out_invoice"), ("payment_state", "=", "not_paid")]
        return self._do("account.move", "button_draft", self._some("account.move", *unpaid))

    # Payments.

    def _pay(self, share: float) -> Sequence[int]:
        owing = [
            ("state", "=", "posted"),
            ("move_type", "in", ["out_invoice", "in_invoice"]),
            ("amount_residual", ">", 1),
        ]
        move = self._some("account.move", *owing)
        if move:
            owed = self.odoo.call("account.move", "read", move, fields=["amount_residual"])[0]["amount_residual"]
            selected = {"active_model": "account.move", "active_ids": move, **self._company_of("account.move", move)}
            wizard = self.odoo.create("account.payment.register", [{"amount": round(owed * share, 2)}], **selected)
            self.odoo.call("account.payment.register", "action_create_payments", wizard, context=selected)
        return move

    def pay_invoice(self) -> Sequence[int]:
        return self._pay(1)

    def pay_part(self) -> Sequence[int]:
        return self._pay(0.4)

    def reset_payment(self) -> Sequence[int]:
        return self._do("account.payment", "action_draft", self._some("account.payment", ("state", "!=", "draft")))

    def delete_payment(self) -> Sequence[int]:
        payment = self._some("account.payment", ("state", "=", "draft"))
        if payment:
            self.odoo.unlink("account.payment", payment)
        return payment

    def unreconcile(self) -> Sequence[int]:
        matched = [("reconciled", "=", True), ("display_type", "=", "payment_term")]
        return self._do("account.move.line", "remove_move_reconcile", self._some("account.move.line", *matched))


_Action = Callable[[Stream], Sequence[int]]
# What a step of a kind is, which records it returns, and how often it comes.
_KINDS: dict[str, tuple[_Action, str, int]] = {
    "create partner": (Stream.create_partner, "res.partner", 8),
    "create contact": (Stream.create_contact, "res.partner", 6),
    "edit partner": (Stream.edit_partner, "res.partner", 10),
    "rename partner": (Stream.rename_partner, "res.partner", 3),
    "archive partner": (Stream.archive_partner, "res.partner", 3),
    "restore partner": (Stream.restore_partner, "res.partner", 2),
    "delete partner": (Stream.delete_partner, "res.partner", 5),
    "create product": (Stream.create_product, "product.product", 3),
    "change price": (Stream.change_price, "product.template", 6),
    "rename product": (Stream.rename_product, "product.template", 3),
    "archive product": (Stream.archive_product, "product.product", 1),
    "create invoice": (Stream.create_invoice, "account.move", 14),
    "edit line": (Stream.edit_line, "account.move", 6),
    "add line": (Stream.add_line, "account.move", 4),
    "delete line": (Stream.delete_line, "account.move", 4),
    "post invoice": (Stream.post_invoice, "account.move", 10),
    "delete invoice": (Stream.delete_invoice, "account.move", 2),
    "cancel invoice": (Stream.cancel_invoice, "account.move", 1),
    "reopen invoice": (Stream.reopen_invoice, "account.move", 2),
    "pay invoice": (Stream.pay_invoice, "account.move", 6),
    "pay in part": (Stream.pay_part, "account.move", 4),
    "reset payment": (Stream.reset_payment, "account.payment", 3),
    "delete payment": (Stream.delete_payment, "account.payment", 2),
    "undo reconciliation": (Stream.unreconcile, "account.move.line", 2),
}
KINDS = tuple(_KINDS)
