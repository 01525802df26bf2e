#!/usr/bin/python
"""A PostgreSQL data directory on a mounted volume: made once with data checksums, or taken over as it is."""

import os
import pwd
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: postgresql_data_directory
short_description: A PostgreSQL data directory on a mounted volume
description:
  - Refuses when the volume is not mounted, so that no data ever lands on the root disk.
  - Takes over a data directory that is already on the volume. Makes one otherwise, beside its place, and moves it there
    when it is complete, so that a run which is cut off leaves nothing that looks like a database.
options:
  version: {type: str, required: true, description: "Major version."}
  path: {type: path, required: true, description: "The data directory, below O(mount)."}
  mount: {type: path, required: true, description: "Where the volume is mounted."}
  configuration: {type: path, required: true, description: "The cluster's postgresql.conf; there once it ran."}
  initdb: {type: list, elements: str, required: true, description: "Options of initdb for a new data directory."}
author: The platform's maintainers
"""


def refuse_what_is_not_ours(module: AnsibleModule, path: Path, mount: Path) -> None:
    """Stop before anything is written in the wrong place."""
    if mount not in path.parents:
        module.fail_json(msg=f"the data directory {path} is not below the volume's mount point {mount}")
    if not mount.is_mount():
        module.fail_json(msg=f"{mount} is not a mounted volume: PostgreSQL's data would land on the root disk")
    if not path.exists() and Path(module.params["configuration"]).exists():
        module.fail_json(
            msg=f"PostgreSQL ran here, but the volume on {mount} holds no {path}: is this the right volume? Attach the "
            f"right one. If its data are lost, remove {module.params['configuration']} and run again: the latest state "
            "in the backups is restored onto this volume"
        )


def take_over(module: AnsibleModule, path: Path) -> bool:
    """Use the data that is there; give it to this machine's user, whose number may differ from the last machine's."""
    found = (path / "PG_VERSION").read_text().strip() if (path / "PG_VERSION").exists() else "no"
    if found != module.params["version"]:
        module.fail_json(msg=f"{path} holds {found} PostgreSQL data; version {module.params['version']} is declared")
    user = pwd.getpwnam("postgres")
    if path.stat().st_uid == user.pw_uid:
        return False
    if not module.check_mode:
        for entry in [path, *path.rglob("*")]:
            os.chown(entry, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return True


def make(module: AnsibleModule, path: Path, mount: Path) -> None:
    """Fill a directory beside the place and move it there when it is whole."""
    user = pwd.getpwnam("postgres")
    incomplete = path.with_name(f"{path.name}.incomplete")
    if incomplete.exists():
        shutil.rmtree(incomplete)
    for parent in reversed([parent for parent in path.parents if mount in parent.parents]):
        parent.mkdir(mode=0o755, exist_ok=True)
        os.chown(parent, user.pw_uid, user.pw_gid)
    initdb = f"/usr/lib/postgresql/{module.params['version']}/bin/initdb"
    module.run_command(
        ["runuser", "-u", "postgres", "--", initdb, f"--pgdata={incomplete}", *module.params["initdb"]],
        cwd="/",
        check_rc=True,
    )
    incomplete.rename(path)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "mount": {"type": "path", "required": True},
            "configuration": {"type": "path", "required": True},
            "initdb": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    path, mount = Path(module.params["path"]), Path(module.params["mount"])
    if module.check_mode and not Path(module.params["configuration"]).exists():
        module.exit_json(changed=True, msg=f"would look at the volume on {mount} and use or make {path}")
    refuse_what_is_not_ours(module, path, mount)
    if path.exists():
        module.exit_json(changed=take_over(module, path), msg=f"{path} is there")
    make(module, path, mount)
    module.exit_json(changed=True, msg=f"made {path}")


if __name__ == "__main__":
    main()
