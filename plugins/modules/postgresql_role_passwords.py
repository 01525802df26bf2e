#!/usr/bin/python
"""Passwords of PostgreSQL roles, as verifiers: no statement and no log of the server ever holds a password."""

import base64
import hashlib
import hmac
import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: postgresql_role_passwords
short_description: Passwords of PostgreSQL roles
description:
  - Compares each role's SCRAM-SHA-256 verifier with the declared password and replaces those that do not fit.
  - Roles are made by migrations; a role that does not exist is an error, in check mode a change.
options:
  passwords: {type: dict, required: true, description: "Password of each role."}
  database: {type: str, required: true, description: "A database to connect to."}
  port: {type: int, required: true, description: "The server's port."}
author: The platform's maintainers
"""

VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")
ITERATIONS = 4096


def verifier(password: str, salt: bytes, iterations: int) -> str:
    """What PostgreSQL stores for a password (RFC 5802, RFC 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def fits(password: str, present: str | None) -> bool:
    """Whether a stored verifier belongs to a password."""
    parts = VERIFIER.fullmatch(present or "")
    if parts is None:
        return False
    return hmac.compare_digest(verifier(password, base64.b64decode(parts[2]), int(parts[1])), parts[0])


def connect(module: AnsibleModule) -> Any:
    """A superuser's session, or nothing in check mode where no server runs yet."""
    try:
        import psycopg  # noqa: PLC0415 - absent before the packages are installed

        return psycopg.connect(
            user="postgres",
            dbname=module.params["database"],
            port=module.params["port"],
            autocommit=True,
            connect_timeout=10,
            application_name="ansible",
        )
    except Exception as error:  # noqa: BLE001 - psycopg may be absent, so its exceptions cannot be named
        if module.check_mode:
            return None
        module.fail_json(msg=f"no connection to PostgreSQL: {error}")


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "passwords": {"type": "dict", "required": True, "no_log": True},
            "database": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    passwords: dict[str, str] = module.params["passwords"]
    session = connect(module)
    if session is None:
        module.exit_json(changed=False, roles=[], msg="no server runs; the task that would start it has said so")
    with session:
        present = dict(
            session.execute(
                "select rolname::text, rolpassword from pg_authid where rolname = any(%s)", (list(passwords),)
            ).fetchall()
        )
        missing = sorted(set(passwords) - set(present))
        if missing and not module.check_mode:
            module.fail_json(msg=f"roles do not exist, so they get no password: {', '.join(missing)}")
        wrong = sorted(role for role in passwords if role in missing or not fits(passwords[role], present[role]))
        if not module.check_mode:
            from psycopg import sql  # noqa: PLC0415

            for role in wrong:
                new = verifier(passwords[role], os.urandom(16), ITERATIONS)
                session.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(new)))
    module.exit_json(changed=bool(wrong), roles=wrong, msg=f"new password for {', '.join(wrong)}" if wrong else "")


if __name__ == "__main__":
    main()
