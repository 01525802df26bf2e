"""The sandbox's own commands: `python -m sandbox prepare | env | services | list | delete | start | stop | down`."""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from infra.phases import PHASES
from sandbox import archives, droplet, environment, home, image
from sandbox.cloud.account import Account
from sandbox.cloud.kind import Kind, Values
from sandbox.cloud.kinds import COLLECTIONS
from sandbox.errors import SandboxError
from sandbox.network import service_address
from sandbox.services import acme, ca, dns, mail, odoo, spaces
from sandbox.state import Record
from sandbox.tidy import remove_everything, tidy
from sandbox.toolchain import docker_engine, minio_server, pulumi_cli

STEPS: dict[str, Callable[[], object]] = {
    "droplet": lambda: image.build("droplet"),
    "services": lambda: image.build("services"),
    "archives": archives.ensure,
    "odoo": lambda: image.build("odoo"),
    "pulumi": pulumi_cli.ensure,
    "minio": minio_server.ensure,
}
# What waits for the network runs beside what waits for the processors.
_LANES = (("droplet", "services", "archives", "odoo"), ("pulumi", "minio"))


def main() -> int:
    """Run the command line."""
    arguments = _parser().parse_args()
    account = Account(home.current())
    credentials = environment.credentials(account.home)
    account.spaces_credentials = credentials["SPACES_ACCESS_KEY_ID"], credentials["SPACES_SECRET_ACCESS_KEY"]
    try:
        match arguments.command:
            case "prepare":
                prepare(arguments.only, arguments.phase)
            case "env":
                print(environment.exports(account.home))
            case "services":
                print(json.dumps(_services(account), indent=1))
            case "list":
                print(json.dumps(_list(account), indent=1))
            case "delete":
                _delete(account, arguments.collection, arguments.id)
            case "start" | "stop":
                droplet.power(account, arguments.name, on=arguments.command == "start")
            case "down":
                with account.state.locked():
                    remove_everything(account)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(only: list[str], phase: int) -> None:
    """Find or build everything that `up` needs for a phase."""
    docker_engine.ensure()
    steps: dict[str, Callable[[], object]] = {**STEPS, "archives": lambda: archives.ensure(phase)}
    wanted = only or [step for step in steps if step != odoo.SERVICE or phase >= odoo.FIRST_PHASE]

    def run_lane(names: tuple[str, ...]) -> None:
        for name in names:
            if name in wanted:
                steps[name]()

    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(run_lane, lane) for lane in _LANES]:
            result.result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="find or build everything that is needed")
    preparing.add_argument("--only", action="append", default=[], choices=STEPS, help="just this; may be repeated")
    preparing.add_argument(
        "--phase", type=int, default=max(PHASES), choices=PHASES, help="for a platform of this phase"
    )
    commands.add_parser("env", help="print the environment for a shell to evaluate")
    commands.add_parser("services", help="print where DNS, ACME, object storage, mails and Odoo are, as JSON")
    commands.add_parser("list", help="print every resource of the account, as JSON")
    deleting = commands.add_parser("delete", help="delete a resource behind Pulumi's back, as in the control panel")
    deleting.add_argument("collection", choices=COLLECTIONS)
    deleting.add_argument("id")
    for command in ("start", "stop"):
        commands.add_parser(command, help=f"{command} a droplet").add_argument("name")
    commands.add_parser("down", help="remove everything of this sandbox, leaked things too; Pulumi's state stays")
    return parser


def _services(account: Account) -> dict[str, str]:
    return {
        **({"odoo": odoo.base_url(account.home)} if odoo.runs(account.home) else {}),
        "dns": f"{service_address(account.home, 'dns')}:{dns.PORT}",
        "acme_directory": acme.directory_url(account.home),
        "acme_roots": str(acme.roots_file(account.home)),
        "spaces_endpoint": spaces.endpoint(account.home),
        "mail": f"{mail.address(account.home)}:{mail.PORT}",
        "mails": str(mail.folder(account.home)),
        "ca_file": str(ca.ca_file(account.home)),
    }


def _list(account: Account) -> dict[str, object]:
    state = account.state.read()

    def shown(kind: Kind, record: Record) -> Values:
        return {name: value for name, value in kind.outputs(account, record).items() if name not in kind.secret}

    return {
        collection: {ident: shown(kind, record) for ident, record in state.get(collection, {}).items()}
        for collection, kind in COLLECTIONS.items()
    }


def _delete(account: Account, collection: str, ident: str) -> None:
    if account.find(collection, ident) is None:
        raise SandboxError(f"there is no {ident} among the {collection}; see: python -m sandbox list")
    COLLECTIONS[collection].delete(account, ident)
    tidy(account)


if __name__ == "__main__":
    sys.exit(main())
