"""The audit document: what is declared, what the server really does, how old its secrets are. Never a value."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema

from infra import ROOT
from infra.components import Components
from infra.config import StackConfig
from infra.firewall import declared_rules

VERSION = 1
SHOWN = 300


class AuditError(Exception):
    """The document does not follow its schema."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema that auditors' tools rely on."""
    loaded: dict[str, Any] = json.loads((ROOT / "schemas" / "audit.schema.json").read_text(encoding="utf-8"))
    return loaded


def build_audit(
    config: StackConfig,
    components: Components,
    *,
    server: str | None,
    history: str | None,
    secret_facts: Mapping[str, Mapping[str, Any]],
    drift: Sequence[Mapping[str, str]],
    converged: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Merge the parts and hold the result to its schema. Dates are those of events, never of this run."""
    phase = config.phase.number
    document = {
        "version": VERSION,
        "platform": {
            "name": config.platform,
            "environment": config.environment,
            "phase": phase,
            "domain": config.domain,
            "region": config.region,
        },
        "declared": {
            "firewall": declared_rules(components, phase, config.ssh_allowed_cidrs),
            "components": [row.name for row in components.of_phase(phase)],
        },
        "server": json.loads(server) if server else None,
        "history": json.loads(history) if history else None,
        "secrets": [
            {"name": name, **{key: facts[key] for key in ("made_at", "interval_days", "due_at", "previous")}}
            for name, facts in sorted(secret_facts.items())
        ],
        "drift": [dict(entry) for entry in drift],
        "converged": dict(converged) if converged else None,
    }
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(document))
    if error is not None:
        message = error.message[:SHOWN]
        raise AuditError(f"the audit document breaks schemas/audit.schema.json at {error.json_path}: {message}")
    return document
