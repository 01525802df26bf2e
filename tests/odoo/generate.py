"""Fill the sandbox's Odoo: partners, products, invoices with lines in both companies, paid, paid in part and not."""

import inspect
import json

from sandbox.home import Home
from sandbox.services import odoo
from tests.odoo import world

_MARK = "WORLD "


def generate(
    home: Home, *, seed: int = 1, partners: int, products: int, invoices: int, company: int | None = None
) -> dict[str, float]:
    """Returns how many were made, and the seconds that each kind took. With a company, the invoices are its alone."""
    sizes = f"partners={partners}, products={products}, invoices={invoices}"
    call = f"\nmain(env, seed={seed}, {sizes}, company={company})\n"
    printed = odoo.shell(home, inspect.getsource(world) + call)
    line = next(line for line in printed.splitlines() if line.startswith(_MARK))
    made: dict[str, float] = json.loads(line.removeprefix(_MARK))
    return made
