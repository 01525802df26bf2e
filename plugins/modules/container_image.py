#!/usr/bin/python
"""One pinned container image in Podman's store: pulled from its registry, or loaded from an archive."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: container_image
short_description: One pinned container image in Podman's store
description:
  - Pulls O(image) by its tag and refuses it unless its digest begins with O(digest). With O(checksum) the image comes
    from an archive instead, as on machines that reach no registry; the archive's SHA-256 then pins it.
  - Notes beside the store what was pulled or loaded. An image that is not the noted one any more, or a pin that
    changed, makes it come again.
  - With an archive that is not on the server yet, RV(needed) says that it has to be brought; then call again with
    O(archive).
options:
  image: {type: str, required: true, description: "Registry, repository and tag, in full."}
  digest: {type: str, default: "", description: "The digest, or its first characters. Empty: the tag alone pins it."}
  checksum: {type: str, default: "", description: "SHA-256 of the archive, in hex."}
  archive: {type: path, description: "The archive on the server (oci-archive or docker-archive)."}
  note: {type: path, required: true, description: "File that notes what was pulled or loaded."}
author: The platform's maintainers
"""

PULL_SECONDS = 900


def reason(present: Mapping[str, Any] | None, note: Mapping[str, str], pin: Mapping[str, str]) -> str:
    """Why the image must come (again), empty when it need not."""
    if present is None:
        return "it is not there"
    if note.get("id") != present["Id"]:
        return "it is not the one that the platform brought"
    if {key: note.get(key, "") for key in pin} != dict(pin):
        return "another one is declared"
    return ""


def matches(digests: Sequence[str], digest: str) -> bool:
    """Whether one of an image's RepoDigests begins with the digest."""
    return any(entry.partition("@")[2].startswith(digest) for entry in digests)


def loaded_reference(said: str) -> str:
    """What `podman load` loaded, by name or id."""
    lines = [line.partition(": ")[2].strip() for line in said.splitlines() if line.startswith("Loaded image")]
    return lines[-1] if lines else ""


def inspect(module: AnsibleModule, image: str) -> dict[str, Any] | None:
    """The image in the store, if it is there."""
    code, out, _ = module.run_command(["podman", "image", "inspect", image])
    return None if code else json.loads(out)[0]


def pull(module: AnsibleModule, image: str, digest: str) -> None:
    """Pull the image and hold it to its digest."""
    code, _, complaint = module.run_command(["timeout", str(PULL_SECONDS), "podman", "pull", "--quiet", image])
    if code:
        module.fail_json(
            msg=f"{image} could not be pulled: {complaint.strip() or f'no end after {PULL_SECONDS} s'}\n"
            "Where no registry is in reach, set images_archive to a folder of archives (docs/operations.md)."
        )
    found = inspect(module, image)
    if found is None or not matches(found["RepoDigests"], digest):
        module.run_command(["podman", "untag", image])
        digests = ", ".join(found["RepoDigests"]) if found else "none"
        module.fail_json(msg=f"{image} is not the pinned image: its digests are {digests}; pinned is {digest}.")


def load(module: AnsibleModule, image: str, archive: str, checksum: str) -> None:
    """Load the archive under the image's name."""
    found = module.sha256(archive)
    if found != checksum:
        module.fail_json(msg=f"{archive} is not what its checksum says: it has {found}, declared is {checksum}.")
    code, out, complaint = module.run_command(["podman", "load", "--quiet", "--input", archive])
    if code:
        module.fail_json(msg=f"{archive} could not be loaded: {complaint.strip()}")
    module.run_command(["podman", "tag", loaded_reference(out), image], check_rc=True)


def write_note(path: Path, content: Mapping[str, str]) -> None:
    """Put the note in its place whole."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, sort_keys=True)
    Path(scratch).chmod(0o644)
    Path(scratch).rename(path)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "digest": {"type": "str", "default": ""},
            "checksum": {"type": "str", "default": ""},
            "archive": {"type": "path"},
            "note": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    image, checksum, archive = (module.params[name] for name in ("image", "checksum", "archive"))
    note = Path(module.params["note"])
    pin = {"checksum": checksum} if checksum else {"digest": module.params["digest"]}
    noted = json.loads(note.read_text()) if note.exists() else {}
    why = reason(inspect(module, image), noted, pin)
    waits = bool(checksum) and archive is None
    if why and not module.check_mode and not waits:
        if checksum:
            load(module, image, archive, checksum)
        else:
            pull(module, image, module.params["digest"])
        present = inspect(module, image)
        if present is None:
            module.fail_json(msg=f"{image} is not in the store after it was brought there.")
        else:
            write_note(note, {**pin, "id": present["Id"]})
    changed = bool(why) and (module.check_mode or not waits)
    module.exit_json(changed=changed, needed=bool(why), msg=f"{image}: {why or 'present'}")


if __name__ == "__main__":
    main()
