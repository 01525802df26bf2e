"""`make rotate`: a secret changed in the state and in every consumer, verified, and put back when something fails.

Raising a secret's number in the stack's configuration is what rotates it, so the configuration holds the intent: a
run that is killed is finished by the next `make up`, like any other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra import components, tokens
from infra.secrets import BACKUP_KEY, ROTATABLE, SECRETS, WHY_FIXED
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import PROJECT, UP, Stack
from ops.table import table

DATABASE = "db_"
# What people call several secrets at once; any single one goes by its own name too.
GROUPS: dict[str, tuple[str, ...]] = {
    "db_password": tuple(spec.name for spec in SECRETS if spec.name.startswith(DATABASE)),
    "jwt": ("jwt_secret", "jwt_signing_key"),
    "service_role": ("service_role_key",),
    "anon": ("anon_key",),
}
# What has a value but no second one.
FIXED: dict[str, str] = {
    **{spec.name: WHY_FIXED for spec in SECRETS if not spec.rotates},
    **dict.fromkeys(("ssh_client", "ssh_host"), "a droplet is born with it; a new droplet has a new one"),
}
# The audit speaks of the half that is secret.
AUDITED = {BACKUP_KEY: "backup_secret_key"}
ROTATIONS, FINISHED = "rotations", "finished_rotations"

# Runs on the server, as root.
HOLDERS = """
import json, sys, psycopg
asked = json.load(sys.stdin)
with psycopg.connect(dbname=asked["database"], user="postgres", port=asked["direct"]) as session:
    query = "select rolname::text from pg_catalog.pg_authid where rolpassword is not null and rolcanlogin"
    print(json.dumps([row[0] for row in session.execute(query)]))
"""
# Runs on the server, as root, with the passwords on standard input. A superuser never goes through the pooler.
LOGINS = """
import json, sys, psycopg
asked = json.load(sys.stdin)
def enters(role, password, port):
    try:
        psycopg.connect(host="127.0.0.1", port=port, dbname=asked["database"], user=role, password=password,
                        sslmode="require", connect_timeout=10).close()
        return True
    except psycopg.OperationalError:
        return False
with psycopg.connect(dbname=asked["database"], user="postgres", port=asked["direct"]) as session:
    query = "select rolname::text from pg_roles where rolsuper or rolreplication"
    unpooled = {row[0] for row in session.execute(query)}
problems = []
for role, password in asked["accepted"].items():
    for way in ("direct", "pooler"):
        if way == "direct" or role not in unpooled:
            if not enters(role, password, asked[way]):
                problems.append(role + " cannot log in with its password (" + way + ")")
for role, password in asked["refused"].items():
    problems += [role + " still logs in with its old password (" + way + ")"
                 for way in ("direct", "pooler") if enters(role, password, asked[way])]
print(json.dumps(problems))
"""


@dataclass(frozen=True)
class Change:
    """New numbers for some secrets under one configuration key, with what stood there before."""

    key: str
    before: Mapping[str, int]
    after: Mapping[str, int]


def chosen(asked: str) -> tuple[str, ...]:
    """The secrets that some names, separated by commas, stand for, or a refusal that lists what there is."""
    picked: list[str] = []
    for name in asked.split(","):
        if name in FIXED:
            raise OperatorError(f"{name} is not rotated in place: {FIXED[name]}")
        if name not in GROUPS and name not in ROTATABLE:
            raise OperatorError(
                f"SECRET={name}: there is no such secret; allowed: {', '.join(GROUPS)}, or {', '.join(ROTATABLE)}"
            )
        picked += GROUPS.get(name, (name,))
    # Tokens are signed with the key: a new one renews them, and they overlap together.
    if "jwt_secret" in picked:
        picked += [spec.name for spec in SECRETS if spec.kind == "jwt"]
    return tuple(dict.fromkeys(picked))


def rotate(stack: Stack, asked: str, *, finish: bool) -> None:
    """Rotate what `asked` names, or finish an earlier rotation; on failure put everything back and say so."""
    names = chosen(asked)
    refuse_unless_quiet(stack)
    before = stack.outputs()
    held = passwords_held(names, before)
    change = _finish(stack, asked, names, before) if finish else _raise(stack, asked, names, before)
    print(f"[rotate] {stack.name}: {'finishing' if finish else 'rotating'} {', '.join(names)}", flush=True)
    configure(stack, change.key, change.after)
    try:
        stack.pulumi(*UP, "--refresh=false")
        prove(stack, names, before, held)
    except KeyboardInterrupt:
        raise OperatorError(
            "interrupted. The new numbers are in the configuration, so `make up` finishes the rotation;"
            f" to go back instead, first: {by_hand(change.key, change.before)}"
        ) from None
    except OperatorError as failure:
        undo(stack, change, names, before, failure, held=held)
    report(stack, names)


def refuse_unless_quiet(stack: Stack) -> None:
    """Refuse while another run works or the platform is not as declared: a rotation must be the only change."""
    stack.release_lock_of_a_dead_run()
    holder = stack.locked_by()
    if holder:
        raise OperatorError(f"{holder} works on stack {stack.name}; rotate when it is done. Nothing was changed")
    print("[rotate] looking whether the platform is as declared", flush=True)
    steps = json.loads(stack.read("preview", "--refresh", "--json"))["steps"]
    pending = sorted({step["urn"].rsplit("::", 1)[-1] for step in steps if step["op"] not in {"refresh", "same"}})
    if pending:
        raise OperatorError(
            f"stack {stack.name} is not as declared ({', '.join(pending)}), or an earlier rotation was cut off;"
            " run make up first, make drift shows what differs. Nothing was changed"
        )


def _raise(stack: Stack, asked: str, names: Sequence[str], outputs: Mapping[str, Any]) -> Change:
    still = overlapping(names, outputs)
    if still:
        raise OperatorError(
            f"the value before the present one of {', '.join(still)} is still accepted, and only one can be: first run"
            f" make rotate SECRET={asked} FINISH=1. Nothing was changed"
        )
    present = generations(stack, ROTATIONS)
    before = {name: present.get(name, 1) for name in names}
    return Change(ROTATIONS, before, {name: number + 1 for name, number in before.items()})


def _finish(stack: Stack, asked: str, names: Sequence[str], outputs: Mapping[str, Any]) -> Change:
    still = overlapping(names, outputs)
    if not still:
        raise OperatorError(f"SECRET={asked}: no earlier value is accepted any more, so there is nothing to finish")
    present, rotations = generations(stack, FINISHED), generations(stack, ROTATIONS)
    return Change(
        FINISHED,
        {name: present[name] for name in still if name in present},
        {name: rotations.get(name, 1) for name in still},
    )


def overlapping(names: Sequence[str], outputs: Mapping[str, Any]) -> list[str]:
    """Those of the secrets whose previous value is still accepted."""
    return [name for name, facts in facts_of(names, outputs).items() if facts["previous"]]


def facts_of(names: Sequence[str], outputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the audit says of each secret."""
    audited = {entry["name"]: entry for entry in outputs["audit"]["secrets"]}
    return {name: audited[AUDITED.get(name, name)] for name in names}


def generations(stack: Stack, key: str) -> dict[str, int]:
    """Secret name to number, as the stack's configuration has it."""
    config = json.loads(stack.read("config", "--json"))
    held: dict[str, int] = config.get(f"{PROJECT}:{key}", {}).get("objectValue") or {}
    return held


def configure(stack: Stack, key: str, numbers: Mapping[str, int]) -> None:
    """Set numbers in the stack's configuration, all of them in one write."""
    if numbers:
        words = [word for name, number in numbers.items() for word in ("--plaintext", f"{key}.{name}={number}")]
        stack.read("config", "set-all", "--path", *words)


def by_hand(key: str, numbers: Mapping[str, int]) -> str:
    """What an operator types for the same."""
    return "pulumi config set-all --path " + " ".join(f"--plaintext {key}.{name}={n}" for name, n in numbers.items())


def undo(
    stack: Stack,
    change: Change,
    names: Sequence[str],
    before: Mapping[str, Any],
    failure: OperatorError,
    *,
    held: frozenset[str],
) -> None:
    """Put numbers and values back, on the server too, and end with what went wrong."""
    print(f"[rotate] failed: {failure}\n[rotate] putting the previous values back", flush=True)
    for name in change.after.keys() - change.before.keys():
        stack.read("config", "rm", "--path", f"{change.key}.{name}")
    configure(stack, change.key, change.before)
    try:
        # With a refresh: what the failed run left on the server is drift that the state does not know of.
        stack.pulumi(*UP)
        prove(stack, names, before, held)
    except OperatorError as second:
        raise OperatorError(
            f"the rotation failed ({failure}) and so did putting it back ({second}). The configuration names the"
            " previous values again: repair what is in the way, then run make up"
        ) from None
    raise OperatorError(f"the rotation failed and was undone; everything is as before. The reason: {failure}")


def passwords_held(names: Sequence[str], outputs: Mapping[str, Any]) -> frozenset[str]:
    """Those of the database's passwords that a role has on this server: some roles come with a later phase."""
    roles = {name.removeprefix(DATABASE): name for name in names if name.startswith(DATABASE)}
    if not roles:
        return frozenset()
    with Server(outputs) as server:
        found = json.loads(server.python(HOLDERS, json.dumps(_database())))
    return frozenset(name for role, name in roles.items() if role in found)


def prove(stack: Stack, names: Sequence[str], before: Mapping[str, Any], held: frozenset[str]) -> None:
    """Use the secrets the way their consumers do, or say what does not work, never with a value.

    Of the database's passwords those are used that were `held` before: whoever had one has one now.
    """
    outputs = stack.outputs()
    secrets, old = outputs["secrets"], before["secrets"]
    roles = {name: name.removeprefix(DATABASE) for name in names if name in held}
    problems = token_problems(names, secrets, datetime.now(UTC))
    if roles:
        asked = {
            **_database(),
            "pooler": components.load()["pgbouncer"].port("pool"),
            "accepted": {role: secrets[name] for name, role in roles.items()},
            "refused": {role: old[name] for name, role in roles.items() if old[name] != secrets[name]},
        }
        with Server(outputs) as server:
            problems += json.loads(server.python(LOGINS, json.dumps(asked)))
    if problems:
        raise OperatorError("; ".join(problems))


def _database() -> dict[str, Any]:
    """How the server's own superuser finds the database."""
    return {
        "database": components.platform()["platform_database"],
        "direct": components.load()["postgresql"].port("sql"),
    }


def token_problems(names: Sequence[str], secrets: Mapping[str, str], now: datetime) -> list[str]:
    """Whether the tokens among the secrets, also those still accepted, verify with the keys that services have."""
    problems = []
    for name in (spec.name for spec in SECRETS if spec.kind == "jwt" and spec.name in names):
        for token in (name, f"{name}_previous"):
            try:
                if token in secrets:
                    tokens.verify(secrets[token], secrets["jwks"], now)
            except tokens.TokenError as error:
                problems.append(f"{token}: {error}")
    return problems


def report(stack: Stack, names: Sequence[str]) -> None:
    """What is true now, and what is left to do."""
    rows = [
        [
            name,
            facts["made_at"],
            f"accepted; finish by {facts['previous']['finish_by']}" if facts["previous"] else "refused",
        ]
        for name, facts in facts_of(names, stack.outputs()).items()
    ]
    print("\n" + table(["secret", "made at", "the value before it"], rows))
    print(f"\n[rotate] verified. Pulumi.{stack.name}.yaml holds the new numbers: keep it with the others")
