"""An Odoo in memory that answers as strictly as the real one, for tests of the database's side of the synchronisation.

End-to-end tests use a real Odoo. This one does what a real one does not do on demand: rows that break checks, versions
that are not to be had, pages that arrive late.
"""

import copy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

Record = dict[str, Any]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
    "in": lambda left, right: left in right,
}


class RefusedError(Exception):
    """What Odoo answers with an error."""


@dataclass
class OdooDouble:
    """Records by model and id, with a clock of its own."""

    version: int = 19
    now: datetime = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    records: dict[str, dict[int, Record]] = field(default_factory=lambda: defaultdict(dict))
    fields: dict[str, set[str]] = field(default_factory=dict)
    companies: set[int] | None = None
    requests: list[Record] = field(default_factory=list)

    def say_version(self) -> Record:
        return {"server_version": f"{self.version}.0", "server_version_info": [self.version, 0, 0, "final", 0, ""]}

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def write(self, model: str, record_id: int, **values: Any) -> None:
        """Create or change a record at this moment."""
        record = self.records[model].setdefault(record_id, {"id": record_id, "active": True})
        record |= values
        record["write_date"] = self.now.strftime("%Y-%m-%d %H:%M:%S")

    def delete(self, model: str, record_id: int) -> None:
        del self.records[model][record_id]

    def date(self) -> str:
        return format_datetime(self.now, usegmt=True)

    def post(self, path: str, body: Any) -> Any:
        """The content of an answer. Raises RefusedError where Odoo answers with an error."""
        self.requests.append(copy.deepcopy({"path": path, "body": body}))
        if path == "/jsonrpc":
            if self.version >= 22:
                raise RefusedError("removed")
            database, uid, key, model, method, arguments, named = body["params"]["args"]
            assert (database, uid, key, method, arguments) == ("$database", "$uid", "$key", "search_read", [])
            return {"jsonrpc": "2.0", "id": None, "result": self._search_read(model, **named)}
        if self.version < 19:
            raise RefusedError("404: JSON-2 came with Odoo 19")
        _, _, _, model, method = path.split("/")
        assert method == "search_read"
        return self._search_read(model, **body)

    def _search_read(
        self, model: str, *, domain: list[Any], fields: list[str], order: str, limit: int, context: Record, load: None
    ) -> list[Record]:
        assert (order, context, load) == ("id asc", {"active_test": False}, None)
        known = self.fields.get(model)
        if known is not None and (unknown := set(fields) - known - {"id", "write_date"}):
            raise RefusedError(f"Invalid field {min(unknown)!r} on {model!r}")
        found = [
            self._shown(record, fields)
            for _, record in sorted(self.records[model].items())
            if self._is_visible(model, record) and self._matches(model, record, list(domain))
        ]
        return found[:limit]

    def _shown(self, record: Record, fields: list[str]) -> Record:
        return {name: copy.deepcopy(record.get(name, [] if name == "line_ids" else False)) for name in fields}

    def _is_visible(self, model: str, record: Record) -> bool:
        company = record["id"] if model == "res.company" else record.get("company_id")
        return self.companies is None or not company or company in self.companies

    def _matches(self, model: str, record: Record, domain: list[Any]) -> bool:
        results = []
        while domain:
            results.append(self._next(model, record, domain))
        return all(results)

    def _next(self, model: str, record: Record, domain: list[Any]) -> bool:
        leaf = domain.pop(0)
        if leaf == "|":
            left, right = self._next(model, record, domain), self._next(model, record, domain)
            return left or right
        name, operator, value = leaf
        first, _, rest = name.partition(".")
        found = record.get(first, False)
        if rest:
            found = self.records["account.move"].get(found, {}).get(rest, False)
        return _OPERATORS[operator](found, value)
