#!/usr/bin/python
"""A credential or a workflow of n8n, as its declaration says, in n8n itself."""

import hashlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: n8n_object
short_description: A credential or a workflow of n8n
description:
  - Compares what n8n has with what is declared, by the interface that its own editor uses, and replaces what differs.
    A workflow is live at once; nothing restarts.
  - n8n gives no secret away, so it is noted in a file of root's which secret a credential got, as a fingerprint, and
    when n8n says that it was written. Whoever edits it by hand moves that time.
options:
  url: {type: str, required: true, description: "Where n8n answers, without a slash at the end."}
  session: {type: str, required: true, description: "The cookie that a login of n8n's owner was answered with."}
  credential: {type: dict, description: "Name, type and data of a credential; say no_log in the task."}
  notes: {type: path, description: "The file with the fingerprints of credentials."}
  workflow: {type: dict, description: "Id, name, nodes, connections and settings of a workflow."}
  active: {type: bool, default: false, description: "Whether the workflow runs by itself."}
  hidden: {type: list, elements: str, default: [], description: "Values that no output may show."}
author: The platform's maintainers
"""

# n8n ties a session to the browser that logged in; whoever logs in for this module must name the same.
BROWSER = "ansible"
SECONDS = 30
COMPARED = ("name", "nodes", "connections", "settings")


class RefusedError(Exception):
    """n8n answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def fingerprint(credential: Mapping[str, Any]) -> str:
    """What a credential is, without saying it."""
    text = json.dumps({key: credential[key] for key in ("type", "data")}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def why_credential(declared: Mapping[str, Any], present: Mapping[str, Any] | None, note: Mapping[str, Any]) -> str:
    """Why a credential must be written; empty when it need not."""
    if present is None:
        return "it was not there"
    if note.get("id") != present["id"]:
        return "nobody knows what is in it"
    if note.get("updated") != present["updatedAt"]:
        return "it was edited by hand"
    return "" if note.get("fingerprint") == fingerprint(declared) else "it is declared differently now"


def seen(workflow: Mapping[str, Any] | None, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of a workflow, and shown where it differs. Settings that nobody declared are n8n's own."""
    if workflow is None:
        return {}
    shown = {key: workflow[key] for key in COMPARED}
    shown["settings"] = {key: workflow["settings"].get(key) for key in declared["settings"]}
    # What people edit is a draft until they publish it; what runs is the published version.
    published = workflow["activeVersionId"] is not None
    shown["active"] = bool(workflow["active"]) and published
    shown["unpublished draft"] = published and workflow["activeVersionId"] != workflow["versionId"]
    shown["archived"] = bool(workflow["isArchived"])
    return shown


def wanted(declared: Mapping[str, Any], active: bool) -> dict[str, Any]:
    """The same of the declaration."""
    return {
        **{key: declared[key] for key in COMPARED},
        "active": active,
        "unpublished draft": False,
        "archived": False,
    }


class N8n:
    """n8n's interface for its editor, in a session of its owner."""

    def __init__(self, url: str, session: str) -> None:
        self.url = url
        self.headers = {"content-type": "application/json", "browser-id": BROWSER, "cookie": f"n8n-auth={session}"}

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The `data` of an answer."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/rest{path}", data=sent, headers=self.headers, method=method)  # noqa: S310 - the role's own address
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.load(answer).get("data")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")[:1000]
            raise RefusedError(error.code, f"n8n answered {method} {path} with {error.code}: {text}") from None
        except (OSError, ValueError) as error:
            raise RefusedError(0, f"n8n did not answer {method} {path}: {error}") from None

    def workflow(self, identifier: str) -> Any:
        """A workflow, or nothing."""
        try:
            return self.ask("GET", f"/workflows/{identifier}")
        except RefusedError as error:
            # n8n says so about what is not there, and about what its owner may not see; he may see everything.
            if error.code in {403, 404}:
                return None
            raise

    def credential(self, name: str, kind: str) -> Any:
        """The oldest credential of a name and type, or nothing."""
        found = [row for row in self.ask("GET", "/credentials") if (row["name"], row["type"]) == (name, kind)]
        return min(found, key=lambda row: (row["createdAt"], row["id"])) if found else None


def read_notes(path: str) -> dict[str, Any]:
    """The notes; none where they are missing or unreadable."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_notes(path: str, notes: Mapping[str, Any]) -> None:
    """Replace the notes as a whole."""
    handle, scratch = tempfile.mkstemp(dir=Path(path).parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(notes, file, indent=2, sort_keys=True)
    Path(scratch).replace(path)


def apply_credential(n8n: N8n, declared: Mapping[str, Any], notes_path: str, check: bool) -> dict[str, Any]:
    """Have a credential; the module's result."""
    name = declared["name"]
    present, notes = n8n.credential(name, declared["type"]), read_notes(notes_path)
    why = why_credential(declared, present, notes.get(name, {}))
    identifier = present["id"] if present else ""
    if why and not check:
        body = {key: declared[key] for key in ("name", "type", "data")}
        method, path = ("PATCH", f"/credentials/{identifier}") if present else ("POST", "/credentials")
        written = n8n.ask(method, path, body)
        identifier = written["id"]
        # As n8n lists it from now on.
        listed = n8n.credential(name, declared["type"])
        notes[name] = {"id": identifier, "updated": listed["updatedAt"], "fingerprint": fingerprint(declared)}
        write_notes(notes_path, notes)
    return {"changed": bool(why), "id": identifier, "msg": f"credential {name}: {why or 'unchanged'}"}


def apply_workflow(n8n: N8n, declared: Mapping[str, Any], active: bool, check: bool) -> dict[str, Any]:
    """Have a workflow; the module's result."""
    identifier, present = declared["id"], n8n.workflow(declared["id"])
    before, after = seen(present, declared), wanted(declared, active)
    changed = before != after
    if changed and not check:
        body = {key: declared[key] for key in COMPARED}
        if present is None:
            live = n8n.ask("POST", "/workflows", {"id": identifier, **body})
        else:
            if before["archived"]:
                n8n.ask("POST", f"/workflows/{identifier}/unarchive")
            live = n8n.ask("PATCH", f"/workflows/{identifier}?forceSave=true", body)
        if active:
            n8n.ask("POST", f"/workflows/{identifier}/activate", {"versionId": live["versionId"]})
        elif live["activeVersionId"] is not None:
            n8n.ask("POST", f"/workflows/{identifier}/deactivate", {})
        left = seen(n8n.workflow(identifier), declared)
        if left != after:
            differs = ", ".join(key for key in after if left.get(key) != after[key])
            raise RefusedError(0, f"n8n took workflow {identifier} and has it otherwise than declared: {differs}")
    state = "unchanged" if not changed else "it was not there" if not before else ", ".join(
        key for key in after if before.get(key) != after[key]
    )  # fmt: skip
    return {
        "changed": changed,
        "msg": f"workflow {declared['name']}: {state}",
        "diff": {"before": shown(before, after), "after": shown(after, before)} if changed else {},
    }


def shown(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What differs, as people read it."""
    return json.dumps({key: one[key] for key in one if one[key] != other.get(key)}, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "session": {"type": "str", "required": True, "no_log": True},
            # Tasks with one say no_log: masked by its values, their messages would lose harmless words.
            "credential": {"type": "dict"},
            "notes": {"type": "path"},
            "workflow": {"type": "dict"},
            "active": {"type": "bool", "default": False},
            "hidden": {"type": "list", "elements": "str", "default": [], "no_log": True},
        },
        mutually_exclusive=[("credential", "workflow")],
        required_one_of=[("credential", "workflow")],
        required_by={"credential": "notes"},
        supports_check_mode=True,
    )
    given = module.params
    n8n = N8n(given["url"], given["session"])
    try:
        if given["credential"]:
            result = apply_credential(n8n, given["credential"], given["notes"], module.check_mode)
        else:
            result = apply_workflow(n8n, given["workflow"], given["active"], module.check_mode)
    except RefusedError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
