#!/usr/bin/python
"""Ansible module: makes UFW's files and the kernel's packet filter equal to what is declared, as a whole."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: ufw_state
short_description: Makes UFW's files and the kernel's packet filter equal to what is declared, as a whole
description:
  - Writes UFW's own files, so that its commands show and keep what is declared; a rule added by hand is gone
    afterwards.
  - Lets UFW start from these files in an empty network namespace, reads from there what the kernel should hold, and
    compares it with what the kernel does hold. A rule added past UFW, a missing rule and a flushed table all differ.
  - Replaces a differing table in one step. Established connections go on, and the server is never open in between.
  - Address translation of incoming packets could lead them past UFW; such rules are removed unless they are Podman's.
options:
  files:
    description: UFW's files below /etc, name to content. The rest comes from the package.
    type: dict
    required: true
author: The platform's maintainers
"""

EXAMPLES = """
- name: Keep the firewall as declared
  ufw_state:
    files:
      ufw/user.rules: "{{ lookup('ansible.builtin.template', 'user.rules.j2') }}"
"""

RETURN = "# nothing besides the common values"

_ETC = Path("/etc")
_PACKAGED = Path("/usr/share/ufw/iptables")
_PACKAGED_FILES = ("before.rules", "before6.rules", "after.rules", "after6.rules")
_INIT = Path("/usr/lib/ufw/ufw-init-functions")
_FAMILIES = {"IPv4": "iptables", "IPv6": "ip6tables"}
_PODMAN_TABLE = "inet netavark"
_START = """
DATA_DIR="$1/"
. "$2"
ufw_start >&2
iptables-save --table filter
echo "# IPv6"
ip6tables-save --table filter
"""


class UfwError(Exception):
    """Something the packet filter's programs did not do; the message says what."""


def run(*command: str, stdin: str | None = None) -> str:
    """The output of a program that must succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UfwError(f"{' '.join(command[:3])}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def normal(saved: str) -> str:
    """What a saved table says: no comments or counters, chains sorted, rules in their order within a chain."""
    lines = [line.strip() for line in saved.splitlines()]
    chains = sorted(line.rpartition(" [")[0] for line in lines if line.startswith(":"))
    # Sorting is stable: rules of one chain keep their order, which is their meaning.
    rules = sorted((line for line in lines if line.startswith("-A ")), key=lambda line: line.split()[1])
    return "".join(f"{line}\n" for line in [*chains, *rules])


def expected(files: dict[str, str]) -> dict[str, str]:
    """The tables, as saved, that UFW makes of these files."""
    with tempfile.TemporaryDirectory(prefix="ufw-") as folder:
        for name, content in files.items():
            path = Path(folder, "etc", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        saved = run("unshare", "--net", "sh", "-ec", _START, "sh", folder, str(_INIT))
    first, _, second = saved.partition("# IPv6\n")
    return dict(zip(_FAMILIES, (first, second), strict=True))


def effective(program: str) -> str:
    """The table the kernel holds, in normal form; a table only nft can read is described as such."""
    try:
        return normal(run(f"{program}-save", "--table", "filter"))
    except UfwError as error:
        return f"{error}\n"


def foreign_translations(ruleset: dict[str, Any]) -> list[str]:
    """The nft chains that translate addresses of incoming packets and are not Podman's."""
    used = {_chain_of(item["rule"], "chain") for item in ruleset["nftables"] if "rule" in item}
    chains = [item["chain"] for item in ruleset["nftables"] if "chain" in item]
    return sorted(
        _chain_of(chain, "name")
        for chain in chains
        if chain.get("type") == "nat"
        and chain.get("hook") == "prerouting"
        and f"{chain['family']} {chain['table']}" != _PODMAN_TABLE
        and _chain_of(chain, "name") in used
    )


def _chain_of(item: dict[str, str], key: str) -> str:
    return f"{item['family']} {item['table']} {item[key]}"


def differing_files(files: dict[str, str]) -> list[dict[str, str]]:
    """A diff for each file that is not as declared."""
    diffs = []
    for name, content in files.items():
        path = _ETC / name
        present = path.read_text() if path.exists() else ""
        if present != content:
            diffs.append({"before_header": str(path), "after_header": str(path), "before": present, "after": content})
    return diffs


def write(module: AnsibleModule, name: str, content: str) -> None:
    """Replace one file at once."""
    with tempfile.NamedTemporaryFile("w", dir=module.tmpdir, delete=False) as stream:
        stream.write(content)
    path = str(_ETC / name)
    module.atomic_move(stream.name, path)
    module.set_fs_attributes_if_different(
        {
            "path": path,
            "owner": "root",
            "group": "root",
            "mode": "0640" if name.endswith(".rules") else "0644",
            "attributes": None,
            "secontext": [None, None, None],
        },
        changed=False,
    )


def converge(module: AnsibleModule, declared: dict[str, str]) -> list[dict[str, str]]:
    """Compare, and outside check mode repair; returns the diffs."""
    files = declared | {f"ufw/{name}": (_PACKAGED / name).read_text() for name in _PACKAGED_FILES}
    diffs = differing_files(files)
    if not module.check_mode:
        for diff in diffs:
            write(module, str(Path(diff["after_header"]).relative_to(_ETC)), diff["after"])
    for family, table in expected(files).items():
        program = _FAMILIES[family]
        before, after = effective(program), normal(table)
        if before != after:
            header = f"packet filter of the kernel, {family}"
            diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})
            if not module.check_mode:
                run(f"{program}-restore", stdin=table)
    for chain in foreign_translations(json.loads(run("nft", "--json", "list", "ruleset"))):
        header = f"address translation {chain}"
        listed = run("nft", "list", "chain", *chain.split())
        diffs.append({"before_header": header, "after_header": header, "before": listed, "after": ""})
        if not module.check_mode:
            run("nft", "flush", "chain", *chain.split())
    return diffs


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"files": {"type": "dict", "required": True}}, supports_check_mode=True)
    declared: dict[str, str] = module.params["files"]
    if module.check_mode and not _INIT.exists():
        module.exit_json(changed=True, msg="UFW is not installed yet", diff=differing_files(declared))
    try:
        diffs = converge(module, declared)
    except (OSError, UfwError) as error:
        module.fail_json(msg=f"the firewall could not be made as declared: {error}")
    module.exit_json(changed=bool(diffs), diff=diffs)


if __name__ == "__main__":
    main()
