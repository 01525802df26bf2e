"""`make odoo-nudge`: Odoo says at once that something changed, instead of waiting to be asked within the minute.

Automation rules in Odoo wake a scheduled action, and that calls the platform: one call for a whole transaction, after
it is committed, outside the request of the user who made the change. Made with an administrator's API key, through the
API, without an addon; made again it changes nothing, and REMOVE=1 takes all of it away. A call that is lost costs a
minute: the poll does not depend on it.
"""

import getpass
import json
import os
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ops.errors import OperatorError
from ops.odoo_api import Odoo, connect
from ops.stack import PROJECT, Stack
from ops.table import table
from sandbox import home
from sandbox.services import odoo as sandbox_odoo

RULE, CRON, ACTION = "base.automation", "ir.cron", "ir.actions.server"
KEY_VARIABLE, USER_VARIABLE = "ODOO_ADMIN_KEY", "ODOO_ADMIN_USER"
# What belongs to the platform carries external ids of this module, which Odoo keeps apart from its own.
OWNER = "platform_sync"
# A price belongs to the template; taking a payment back deletes the reconciliation.
WATCHED = (
    "res.company",
    "res.partner",
    "product.template",
    "product.product",
    "account.move",
    "account.payment",
    "account.partial.reconcile",
)
TRIGGERS = {"change": "on_create_or_write", "deletion": "on_unlink"}
# The condition of a rule does the work and lets no record through: Odoo evaluates it once for a batch of records, but
# an action once for each, which made creating a thousand partners take minutes. What is kept beside a transaction's
# callbacks is forgotten with it, so that a transaction wakes the scheduled action once.
_NONE = "[(0, '=', 1)]"
_WAKE = (
    "{none} if user.env.cr.postcommit.data.get('{owner}') else "
    "(user.env.cr.postcommit.data.update({{'{owner}': True}}), "
    "user.env['ir.cron'].browse({cron})._trigger(), {none})[2]"
)
_CALL = (
    "env['ir.actions.server'].browse({action}).with_context(active_model='res.company', active_id={company}).run()\n"
)
# Without a trigger nothing happens, so its own turn comes as seldom as can be.
_SELDOM = {"interval_number": 12, "interval_type": "months", "nextcall": "2100-01-01 00:00:00"}


@dataclass(frozen=True)
class Step:
    """One record of Odoo that is as it should be, or what was done about it."""

    name: str
    model: str
    done: str


def odoo_nudge(stack: Stack, webhook: str, *, remove: bool, show: bool) -> None:
    """Make, show or remove the rules in the Odoo of a stack's configuration."""
    odoo = _as_administrator(stack)
    if remove:
        steps = list(take_away(odoo, show=show))
    else:
        url = webhook or _own_webhook(stack)
        if urlsplit(url).scheme not in {"https", "http"} or not urlsplit(url).hostname:
            raise OperatorError(
                f"{url} is no address that Odoo could call; WEBHOOK is one such as https://api.../hooks/..."
            )
        steps = list(put(odoo, url, show=show))
    print(
        table(["record", "model", "would be" if show else "is"], [[step.name, step.model, step.done] for step in steps])
    )


def put(odoo: Odoo, webhook: str, *, show: bool = False) -> Iterator[Step]:
    """Make what is missing and put right what differs."""
    needed = {*WATCHED, RULE}
    models = {row["model"]: row["id"] for row in odoo.read("ir.model", [("model", "in", list(needed))], ["model"])}
    if missing := sorted(needed - models.keys()):
        raise OperatorError(
            f"Odoo lacks {', '.join(missing)}; install Invoicing (account) and Automation Rules (base_automation)"
        )
    company = odoo.search("res.company", [], limit=1)[0]
    book = Book(odoo, show=show)
    label = "Platform sync: "
    action = yield from book.keep(
        "webhook",
        ACTION,
        {
            "name": f"{label}tell the platform",
            "model_id": models["res.company"],
            "state": "webhook",
            "webhook_url": webhook,
        },
    )
    cron = yield from book.keep(
        "cron",
        CRON,
        {
            "name": f"{label}something changed",
            "model_id": models["res.company"],
            "state": "code",
            "code": _CALL.format(action=action, company=company),
            "active": True,
        },
        **_SELDOM,
    )
    wake = _WAKE.format(none=_NONE, owner=OWNER, cron=cron)
    for model in WATCHED:
        for kind, trigger in TRIGGERS.items():
            rule = {
                "name": f"{label}{kind} of {model}",
                "model_id": models[model],
                "trigger": trigger,
                "filter_domain": wake,
                "active": True,
            }
            yield from book.keep(f"{model.replace('.', '_')}_{kind}", RULE, rule)


def take_away(odoo: Odoo, *, show: bool = False) -> Iterator[Step]:
    """Remove everything that carries our external ids, rules before what they wake."""
    order = [RULE, CRON, ACTION]
    known = odoo.read("ir.model.data", [("module", "=", OWNER)], ["name", "model", "res_id"])
    for row in sorted(known, key=lambda row: (order.index(row["model"]), row["id"])):
        if not show:
            _remove(odoo, row["model"], row["res_id"])
            _remove(odoo, "ir.model.data", row["id"])
        yield Step(row["name"], row["model"], "removed")


def _remove(odoo: Odoo, model: str, ident: int) -> None:
    """Delete a record unless it is gone: some take others with them, and an app that is removed took its own."""
    if not odoo.search("ir.model", [("model", "=", model)]) or not odoo.search(model, [("id", "=", ident)]):
        return
    behind = odoo.read(CRON, [("id", "=", ident)], ["ir_actions_server_id"]) if model == CRON else []
    odoo.unlink(model, [ident])
    for row in behind:
        _remove(odoo, ACTION, row["ir_actions_server_id"])


class Book:
    """Our records in Odoo by external id, so that a renamed one is still ours."""

    def __init__(self, odoo: Odoo, *, show: bool) -> None:
        self._odoo, self._show = odoo, show
        rows = odoo.read("ir.model.data", [("module", "=", OWNER)], ["name", "model", "res_id"])
        self._known = {row["name"]: row for row in rows}

    def keep(self, name: str, model: str, values: Mapping[str, Any], **once: Any) -> Generator[Step, None, int]:
        """Have a record with these values and return its id; what is said once counts when it is made."""
        entry = self._known.get(name)
        found = self._odoo.read(model, [("id", "=", entry["res_id"])], list(values)) if entry else []
        if not found:
            yield Step(name, model, "made")
            return 0 if self._show else self._make(name, model, {**values, **once})
        differing = {field: value for field, value in values.items() if found[0][field] != value}
        if differing and not self._show:
            self._odoo.write(model, [found[0]["id"]], differing)
        yield Step(name, model, f"changed: {', '.join(differing)}" if differing else "unchanged")
        return int(found[0]["id"])

    def _make(self, name: str, model: str, values: Mapping[str, Any]) -> int:
        made = self._odoo.create(model, [values])[0]
        if entry := self._known.get(name):
            self._odoo.write("ir.model.data", [entry["id"]], {"res_id": made})
        else:
            ident = {"module": OWNER, "name": name, "model": model, "res_id": made, "noupdate": True}
            self._odoo.create("ir.model.data", [ident])
        return made


def _as_administrator(stack: Stack) -> Odoo:
    if stack.is_sandbox:
        known, values = sandbox_odoo.accounts(home.current()), sandbox_odoo.values(home.current())
        return connect(values["odoo_url"], values["odoo_database"], known["admin"], known["admin_key"])
    configuration = json.loads(stack.read("config", "--json"))
    values = {key: configuration.get(f"{PROJECT}:{key}", {}).get("value", "") for key in ("odoo_url", "odoo_database")}
    if not all(values.values()):
        raise OperatorError(f"stack {stack.name} reads from no Odoo: odoo_url and odoo_database say which one it is")
    return connect(values["odoo_url"], values["odoo_database"], os.environ.get(USER_VARIABLE, "admin"), _key())


def _key() -> str:
    if key := os.environ.get(KEY_VARIABLE):
        return key
    if not sys.stdin.isatty():
        raise OperatorError(
            f"{KEY_VARIABLE} is to hold an administrator's API key (in Odoo: My Profile, Account Security)"
        )
    return getpass.getpass("API key of an administrator of Odoo: ")


def _own_webhook(stack: Stack) -> str:
    outputs = stack.outputs()
    secret = outputs["secrets"].get("odoo_webhook_path")
    if not secret:
        raise OperatorError(f"stack {stack.name} has no sync yet: it comes with phase 2; or name a URL with WEBHOOK=")
    return f"{outputs['urls']['api']}/hooks/{secret}"
