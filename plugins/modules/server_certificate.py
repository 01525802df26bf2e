#!/usr/bin/python
"""A server certificate that signs itself, made on the server once and renewed before it expires."""

import os
import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: server_certificate
short_description: A self-signed server certificate with its private key
description:
  - Makes an ECDSA P-256 key and a certificate that signs itself. Clients verify the server with the certificate itself.
  - Makes both anew when a name is missing, the key does not belong, or fewer days are left than O(renew_days).
options:
  certificate: {type: path, required: true, description: "Path of the certificate; everyone may read it."}
  key: {type: path, required: true, description: "Path of the private key; root and O(group) may read it."}
  names: {type: list, elements: str, required: true, description: "Subject alternative names (DNS:x, IP:y)."}
  group: {type: str, required: true, description: "Group that may read the key."}
  days: {type: int, default: 825, description: "How long a new certificate is valid."}
  renew_days: {type: int, default: 60, description: "Renew when fewer days are left."}
author: The platform's maintainers
"""


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run openssl and keep what it says."""
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def normal_name(name: str) -> str:
    """A subject alternative name as openssl prints it."""
    return name.strip().replace("IP Address:", "IP:")


def reason_to_make(certificate: Path, key: Path, names: list[str], renew_days: int) -> str:
    """Why the pair on disk does not do; empty when it does."""
    if not certificate.exists() or not key.exists():
        return "there is none yet"
    if openssl("x509", "-in", str(certificate), "-noout", "-checkend", str(renew_days * 86400)).returncode:
        return f"it expires within {renew_days} days or cannot be read"
    printed = openssl("x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName").stdout
    found = {normal_name(name) for line in printed.splitlines()[1:] for name in line.split(",")}
    if found != {normal_name(name) for name in names}:
        return "its names differ"
    public = openssl("x509", "-in", str(certificate), "-noout", "-pubkey").stdout
    if public != openssl("pkey", "-in", str(key), "-pubout").stdout:
        return "the key is another certificate's"
    return ""


def make(module: AnsibleModule, certificate: Path, key: Path) -> None:
    """Make the pair beside its place and move it there whole."""
    certificate.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=certificate.parent) as scratch:
        new_key, new_certificate = Path(scratch, "key"), Path(scratch, "crt")
        done = openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-sha256"),
            *("-days", str(module.params["days"]), "-subj", f"/CN={module.params['names'][0].split(':', 1)[1]}"),
            *("-addext", "subjectAltName=" + ",".join(module.params["names"])),
            *("-keyout", str(new_key), "-out", str(new_certificate)),
        )
        if done.returncode:
            module.fail_json(msg=f"openssl could not make {certificate}: {done.stderr.strip()}")
        new_key.chmod(0o600)
        module.atomic_move(str(new_key), str(key))
        module.atomic_move(str(new_certificate), str(certificate))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "certificate": {"type": "path", "required": True},
            "key": {"type": "path", "required": True, "no_log": False},
            "names": {"type": "list", "elements": "str", "required": True},
            "group": {"type": "str", "required": True},
            "days": {"type": "int", "default": 825},
            "renew_days": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    certificate, key = Path(module.params["certificate"]), Path(module.params["key"])
    reason = reason_to_make(certificate, key, module.params["names"], module.params["renew_days"])
    if reason and not module.check_mode:
        make(module, certificate, key)
    changed = bool(reason)
    for path, mode, group in [(certificate, "0644", "root"), (key, "0640", module.params["group"])]:
        if not (module.check_mode and not os.path.lexists(path)):
            wanted = {**module.load_file_common_arguments({"path": str(path), "owner": "root"}), "mode": mode}
            changed = module.set_fs_attributes_if_different({**wanted, "group": group}, changed)
    module.exit_json(changed=changed, msg=f"new certificate: {reason}" if reason else "kept")


if __name__ == "__main__":
    main()
