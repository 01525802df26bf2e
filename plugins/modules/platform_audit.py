#!/usr/bin/python
"""What a server really is: the `server` part of schemas/audit.schema.json. Reads only."""

import gzip
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: platform_audit
short_description: What a server really is, for auditors
description:
  - Asks the kernel, systemd, the package manager and PostgreSQL. Holds nothing that moves by itself (no dates, no
    counters, no process numbers), so that two audits of an unchanged server are equal.
options:
  components: {type: dict, required: true, description: "Rows of the component table to report on."}
  database: {type: str, required: true, description: "The platform's database."}
  port: {type: int, required: true, description: "PostgreSQL's port."}
  mount: {type: path, required: true, description: "Where the data volume is mounted."}
  settings: {type: list, elements: str, required: true, description: "PostgreSQL settings to report."}
  extensions: {type: list, elements: str, required: true, description: "Extensions to report even when absent."}
  pgbouncer_cves: {type: dict, required: true, description: "Upstream version that fixed each CVE."}
author: The platform's maintainers
"""

CHAINS = ("ufw-user-input", "ufw-user-forward")
POLICIES = {"DROP": "deny", "REJECT": "reject", "ACCEPT": "allow"}


def output(*command: str) -> str:
    """What a program prints; nothing when it is not installed or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


# --- firewall and listeners ---


def firewall(saved: Mapping[str, str]) -> dict[str, Any]:
    """Policies and user rules that the kernel holds, from `iptables-save` by family."""
    defaults = {}
    rules = []
    for family, text in saved.items():
        for line in text.splitlines():
            words = line.split()
            if line.startswith(":") and words[0] in {":INPUT", ":FORWARD", ":OUTPUT"}:
                defaults[f"{family} {words[0][1:].lower()}"] = POLICIES[words[1]]
            elif len(words) > 2 and words[0] == "-A" and words[1] in CHAINS:
                rules.append(f"{family} {' '.join(words[1:])}")
    return {"active": any(" ufw-user-input " in rule for rule in rules), "defaults": defaults, "rules": rules}


def listeners(text: str, ephemeral: range) -> list[dict[str, Any]]:
    """Sockets that wait for others, from `ss --tcp --udp --listening --numeric --processes --no-header`.

    Sockets without a process belong to another namespace; UDP sockets on a port from the ephemeral range are clients.
    """
    found = set()
    for line in text.splitlines():
        cells = line.split()
        process = re.search(r'users:\(\("([^"]+)"', line)
        address, _, port = cells[4].rpartition(":")
        if process is None or (cells[0] == "udp" and int(port) in ephemeral):
            continue
        found.add((cells[0], address.split("%")[0].strip("[]"), int(port), process[1]))
    keys = ("protocol", "address", "port", "process")
    return [dict(zip(keys, row, strict=True)) for row in sorted(found)]


# --- components ---


def unit_facts(text: str) -> dict[str, dict[str, str]]:
    """Properties of units by name, from `systemctl show`."""
    facts = {}
    for block in text.strip().split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in properties:
            facts[properties["Id"]] = properties
    return facts


def package_version(properties: Mapping[str, str]) -> str | None:
    """The version of the package that a unit's program comes from, or its unit file while it does not run."""
    program = Path("/proc", properties["MainPID"], "exe")
    path = str(program.readlink()) if program.exists() else properties["FragmentPath"]
    owner = output("dpkg-query", "--search", path).partition(":")[0]
    return output("dpkg-query", "--show", "--showformat=${Version}", owner) or None if owner else None


def containers(text: str) -> dict[str, dict[str, str | None]]:
    """The image of each unit's container, from `podman ps --all --format json`.

    A stand-in runs under the name of the image it stands in for; only its label tells, and it has no version of that.
    """
    found = {}
    for row in json.loads(text or "[]"):
        labels = row.get("Labels") or {}
        if "PODMAN_SYSTEMD_UNIT" in labels:
            stand_in = labels.get("stand-in")
            version = None if stand_in else row["Image"].rpartition(":")[2]
            found[labels["PODMAN_SYSTEMD_UNIT"]] = {
                "image": row["Image"],
                "id": row["ImageID"],
                "version": version,
                "stand_in": stand_in,
            }
    return found


def component_rows(components: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """State, version and image of each component of the table."""
    units = sorted({str(row["unit"]) for row in components.values()})
    facts = unit_facts(output("systemctl", "show", "--property=Id,LoadState,ActiveState,FragmentPath,MainPID", *units))
    running = containers(output("podman", "ps", "--all", "--format", "json"))
    rows = []
    for name in sorted(components):
        unit = str(components[name]["unit"])
        properties = facts.get(unit, {})
        present = properties.get("LoadState") == "loaded"
        image = running.get(unit, {})
        packaged = present and components[name]["kind"] == "package"
        identity = image.get("id")
        rows.append(
            {
                "name": name,
                "unit": unit,
                "state": properties["ActiveState"] if present else "absent",
                "version": package_version(properties) if packaged else image.get("version"),
                "image": image.get("image"),
                "digest": output("podman", "image", "inspect", "--format={{.Digest}}", identity).strip() or None
                if identity
                else None,
                "stand_in": image.get("stand_in"),
            }
        )
    return rows


# --- pooler ---


def pgbouncer(cves: Mapping[str, str]) -> dict[str, Any] | None:
    """The pooler's version, and for each known CVE whether this package has its fix."""
    version = output("dpkg-query", "--show", "--showformat=${Version}", "pgbouncer")
    if not version:
        return None
    path = Path("/usr/share/doc/pgbouncer/changelog.Debian.gz")
    changelog = gzip.decompress(path.read_bytes()).decode() if path.exists() else None
    return {"version": version, "cves": [cve_state(cve, cves[cve], version, changelog) for cve in sorted(cves)]}


def cve_state(cve: str, upstream: str, version: str, changelog: str | None) -> dict[str, Any]:
    """Fixed by upstream's version or, as the changelog says, by Debian; unknown without a changelog."""
    if not subprocess.run(["dpkg", "--compare-versions", version, "ge", upstream], check=False).returncode:
        return {"id": cve, "state": "fixed", "fixed_in": upstream}
    if changelog is None:
        return {"id": cve, "state": "unknown", "fixed_in": None}
    fixed_in = fixed_version(cve, changelog)
    return {"id": cve, "state": "fixed" if fixed_in else "not fixed", "fixed_in": fixed_in}


def fixed_version(cve: str, changelog: str) -> str | None:
    """The oldest version whose entry in a Debian changelog names a CVE."""
    found = None
    version = ""
    for line in changelog.splitlines():
        head = re.match(r"\S+ \(([^)]+)\)", line)
        if head:
            version = head[1]
        elif re.search(rf"{cve}\b", line):
            found = version
    return found


# --- database ---

_MIGRATIONS = """
select m.version, coalesce(m.name, ''), p.checksum
from supabase_migrations.schema_migrations as m
join supabase_migrations.platform_ledger as p on p.version = m.version
order by m.version
"""

# A schema is exposed when a client's role may look into it.
_RLS = """
select
  n.nspname::text,
  count(c.oid)::int,
  count(c.oid) filter (where c.relrowsecurity)::int,
  coalesce(array_agg(c.relname::text order by c.relname) filter (where not c.relrowsecurity), '{}')
from pg_namespace as n
left join pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and exists (
    select from pg_roles as r
    where r.rolname in ('anon', 'authenticated') and has_schema_privilege(r.oid, n.oid, 'usage')
  )
group by n.nspname
order by n.nspname
"""

_EXTENSIONS = """
select coalesce(e.name, w.name), e.installed_version, e.default_version
from unnest(%s::text[]) as w (name)
full join pg_available_extensions as e on e.name = w.name
where w.name is not null or e.installed_version is not null
order by 1
"""


def connect(database: str, port: int) -> Any:
    """A superuser's session, or nothing where no server runs."""
    try:
        import psycopg  # noqa: PLC0415 - absent before the packages are installed

        return psycopg.connect(dbname=database, port=port, user="postgres", autocommit=True, connect_timeout=5)
    except Exception:  # noqa: BLE001 - psycopg may be absent, so its exceptions cannot be named
        return None


def database_facts(session: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that PostgreSQL knows."""
    if session is None:
        nothing = [{"name": name, "state": "absent", "version": None} for name in sorted(parameters["extensions"])]
        return {"postgresql": None, "extensions": nothing, "migrations": [], "rls": []}
    with session:
        ledger = session.execute("select to_regclass('supabase_migrations.platform_ledger')").fetchone()[0]
        return {
            "postgresql": {
                "version": session.execute("show server_version").fetchone()[0],
                "data_on_volume": _is_below(
                    session.execute("show data_directory").fetchone()[0], Path(parameters["mount"])
                ),
                "settings": dict(
                    session.execute(
                        "select name, current_setting(name) from pg_settings where name = any(%s) order by name",
                        (parameters["settings"],),
                    ).fetchall()
                ),
            },
            "extensions": [
                extension_state(*row) for row in session.execute(_EXTENSIONS, (parameters["extensions"],)).fetchall()
            ],
            "migrations": [
                dict(zip(("version", "name", "checksum"), row, strict=True))
                for row in (session.execute(_MIGRATIONS).fetchall() if ledger else [])
            ],
            "rls": [
                dict(zip(("schema", "tables", "protected", "unprotected"), row, strict=True))
                for row in session.execute(_RLS).fetchall()
            ],
        }


def _is_below(path: str, mount: Path) -> bool:
    return mount in Path(path).parents and mount.is_mount()


def extension_state(name: str, installed: str | None, available: str | None) -> dict[str, Any]:
    """One extension as the audit words it."""
    state = "present" if installed else "available" if available else "absent"
    return {"name": name, "state": state, "version": installed or available}


def ephemeral_ports() -> range:
    """The ports the kernel gives to clients."""
    low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return range(int(low), int(high) + 1)


def audit(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The whole part."""
    sockets: Sequence[str] = ("--tcp", "--udp", "--listening", "--numeric", "--processes", "--no-header")
    saved = {"v4": output("iptables-save", "-t", "filter"), "v6": output("ip6tables-save", "-t", "filter")}
    return {
        "firewall": firewall(saved),
        "listeners": listeners(output("ss", *sockets), ephemeral_ports()),
        "components": component_rows(parameters["components"]),
        "pgbouncer": pgbouncer(parameters["pgbouncer_cves"]),
        **database_facts(connect(parameters["database"], parameters["port"]), parameters),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "components": {"type": "dict", "required": True},
            "database": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "mount": {"type": "path", "required": True},
            "settings": {"type": "list", "elements": "str", "required": True},
            "extensions": {"type": "list", "elements": "str", "required": True},
            "pgbouncer_cves": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, audit=audit(module.params))


if __name__ == "__main__":
    main()
