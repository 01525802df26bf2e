"""`make verify` and the last step of `make up`: the server looked at from outside."""

from typing import Any

from infra import components
from infra.converge import converge
from infra.outside import Check, check_https, check_ports, check_records
from ops.errors import OperatorError
from ops.stack import Stack
from ops.table import table


def outside_checks(stack: Stack, outputs: dict[str, Any]) -> list[Check]:
    """Ports, names and certificates as a stranger sees them, compared with the component table and the records."""
    rows = list(components.load())
    public = {port.number for row in rows if not row.planned for port in row.ports if port.bind == "public"}
    private = {port.number for row in rows for port in row.ports if port.bind != "public"}
    checks = check_ports(outputs["address"], open_ports=public, shut_ports=private - public)
    checks += check_records(outputs["dns_records"], nameserver=stack.nameserver)
    if components.load().serves_https(int(outputs["phase"])):
        names = [outputs["domain"], *(url.removeprefix("https://") for url in outputs["urls"].values())]
        checks += check_https(outputs["address"], names, ca_file=stack.ca_file)
    return checks


def verify_outside(stack: Stack, outputs: dict[str, Any]) -> None:
    """Print the failed checks and raise when there is one; say how many passed otherwise."""
    checks = outside_checks(stack, outputs)
    failed = [check for check in checks if not check.ok]
    if failed:
        print(table(["check", "expected", "seen"], [[row.check, row.expected, row.seen] for row in failed]))
        raise OperatorError(f"{len(failed)} of {len(checks)} checks from outside failed; the table above names them")
    print(f"[verify] {len(checks)} checks from outside passed")


def verify(stack: Stack) -> None:
    """Let every role ask the live server, then look from outside."""
    outputs = stack.outputs()
    result = converge(outputs, check=False, playbook="verify")
    if not result.ok:
        raise OperatorError(f"the server is not as declared: {result.failure}")
    verify_outside(stack, outputs)
