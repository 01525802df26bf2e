"""Odoo with demo data, which phases with the sync read from. A new container is a new Odoo; data live as long as it."""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sandbox.docker import docker, is_running
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.network import service_address
from sandbox.services import acme, container

PORT = 8069
DATABASE = "odoo"
SERVICE = "odoo"
FIRST_PHASE = 2
_SETTINGS = "/etc/odoo-sandbox/odoo.conf"
_ROOTS = "/srv/roots.pem"
_START_SECONDS = 180
_MARK = "PROVISIONED "

# For `odoo shell`, which knows env. The platform's user reads invoices in every company and changes nothing. The keys
# do not end: Odoo lets nobody but an administrator make such ones.
_PROVISION = """
import json, secrets

companies = env["res.company"].search([])
groups = env.ref("base.group_user") + env.ref("account.group_account_readonly")
access = {"company_id": companies[0].id, "company_ids": [(6, 0, companies.ids)]}
users, keys = env["res.users"].with_context(no_reset_password=True, active_test=False), env["res.users.apikeys"]
group_field = "group_ids" if "group_ids" in users._fields else "groups_id"
login = "platform_sync"
sync = users.search([("login", "=", login)]) or users.create({"login": login, "name": "Platform sync"})
sync.write({**access, group_field: [(6, 0, groups.ids)]})
admin, password = env.ref("base.user_admin"), secrets.token_urlsafe(32)
admin.write({**access, "password": password})
keys.search([("user_id", "in", (sync + admin).ids)]).unlink()
made = {user: keys.with_user(user).sudo()._generate("rpc", "sandbox", None) for user in (sync, admin)}
# What signs sessions is this server's own, not the image's.
env["ir.config_parameter"].init(force=True)
env.cr.commit()
print("PROVISIONED " + json.dumps({
    "user": sync.login, "api_key": made[sync],
    "admin": admin.login, "admin_key": made[admin], "admin_password": password,
    "companies": {company.id: company.name for company in companies},
}))
"""


def ensure(home: Home) -> str:
    """Start Odoo unless it runs, with its users and keys; returns its base URL."""
    # Its webhooks go to the platform's names, whose certificates are Pebble's.
    acme.ensure(home)
    container.ensure(
        home,
        SERVICE,
        PORT,
        [
            "--init",
            f"--dns={service_address(home, 'dns')}",
            f"--volume={acme.roots_file(home)}:{_ROOTS}:ro",
            f"--env=REQUESTS_CA_BUNDLE={_ROOTS}",
        ],
        [],
        image_name="odoo",
    )
    wait_until_healthy(home)
    _provision(home)
    return base_url(home)


def remove(home: Home) -> None:
    """Remove Odoo with its data."""
    container.remove(home, SERVICE)
    _credentials(home).unlink(missing_ok=True)


def stop(home: Home) -> None:
    """Stop Odoo as a machine does that is shut down; its data stay."""
    docker("stop", "--time=10", home.name("service", SERVICE))


def start(home: Home) -> None:
    """Start it again after a stop."""
    docker("start", home.name("service", SERVICE))
    wait_until_healthy(home)


def set_clock(home: Home, offset: int) -> None:
    """Start it again with a clock that is so many seconds ahead of this machine's (behind it: fewer than none)."""
    file = f"{_SETTINGS.rpartition('/')[0]}/clock-offset"
    docker("exec", "--interactive", home.name("service", SERVICE), "tee", file, stdin=f"{offset:+d}" if offset else "")
    stop(home)
    start(home)


def runs(home: Home) -> bool:
    """Whether this sandbox has one."""
    return is_running(home.name("service", SERVICE))


def base_url(home: Home) -> str:
    """The URL that clients are given."""
    return f"http://{service_address(home, SERVICE)}:{PORT}"


def values(home: Home) -> dict[str, str]:
    """What the configuration of a stack says of it; odoo_api_key is a secret."""
    known = accounts(home)
    return {
        "odoo_url": base_url(home),
        "odoo_database": DATABASE,
        "odoo_user": known["user"],
        "odoo_api_key": known["api_key"],
    }


def accounts(home: Home) -> dict[str, Any]:
    """The platform's user and the administrator, with their keys, and the companies by id."""
    path = _credentials(home)
    if not path.exists():
        raise SandboxError("Odoo does not run in this sandbox; bring it up with: make up PHASE=2")
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def shell(home: Home, script: str) -> str:
    """Run a script in `odoo shell`, where it knows env, and return what it printed."""
    command = ["exec", "--interactive", "--user=odoo", home.name("service", SERVICE)]
    return docker(
        *command, "odoo", "shell", f"--config={_SETTINGS}", "--no-http", "--log-level=error", stdin=script, timeout=3600
    )


def sql(home: Home, statement: str) -> str:
    """Run one statement in Odoo's own database; returns rows as lines of fields between bars."""
    command = ["exec", "--interactive", "--user=odoo", home.name("service", SERVICE)]
    return docker(*command, "psql", "-qtAX", "-v", "ON_ERROR_STOP=1", DATABASE, stdin=statement, timeout=3600)


def wait_until_healthy(home: Home) -> None:
    """Wait until Odoo says that it serves."""
    url, deadline = f"{base_url(home)}/web/health", time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                name = home.name("service", SERVICE)
                raise SandboxError(f"{url} does not answer: {error}; see: docker logs {name}") from None
            time.sleep(0.2)


def _credentials(home: Home) -> Path:
    return home.services / "odoo.json"


def _provision(home: Home) -> None:
    """Make the users of a container that has none yet; what they are is kept with the container's id."""
    path, name = _credentials(home), home.name("service", SERVICE)
    ident = docker("container", "inspect", "--format", "{{.Id}}", name)
    if path.exists() and json.loads(path.read_text())["container"] == ident:
        return
    lines = [line for line in shell(home, _PROVISION).splitlines() if _MARK in line]
    if not lines:
        raise SandboxError(f"Odoo's users could not be made; see: docker logs {name}")
    known = json.loads(lines[-1].partition(_MARK)[2])
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"container": ident, **known}, out)
    fresh.rename(path)
