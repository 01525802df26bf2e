"""What every resource type has in common: type checks, generated names, differences."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values

_TYPE_NAMES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "a boolean",
    list: "a list",
    dict: "an object",
}


def fill_names(kind: Kind, urn: str, seed: bytes, old: Values, new: Values) -> Values:
    """Inputs with the names the program left open; an existing resource keeps its name."""
    logical = urn.rpartition("::")[2].lower()
    filled = dict(new)
    for prop in kind.properties:
        if prop.autoname and prop.name not in new:
            filled[prop.name] = old.get(prop.name) or f"{logical}-{hashlib.sha256(seed + urn.encode()).hexdigest()[:7]}"
    return filled


def check(kind: Kind, inputs: Values) -> Iterator[Failure]:
    """Everything wrong with a resource's inputs."""
    properties = {prop.name: prop for prop in kind.properties}
    failures: list[Failure] = []
    for name, value in inputs.items():
        if name not in properties:
            failures.append((name, f"an argument named {name!r} is not expected here"))
        elif value is not UNKNOWN and not _has_type(value, properties[name].type):
            failures.append((name, f"expected {_TYPE_NAMES[properties[name].type]}, got {value!r}"))
    failures += [
        (prop.name, f"missing required argument: {prop.name}")
        for prop in kind.properties
        if prop.required and inputs.get(prop.name) in (None, "")
    ]
    yield from failures or kind.check(inputs)


def changed(kind: Kind, old: Values, new: Values) -> list[Property]:
    """The properties whose value differs."""
    return [prop for prop in kind.properties if _differs(prop, old.get(prop.name), new.get(prop.name))]


def deletes_first(kind: Kind, old: Values, new: Values) -> bool:
    """Whether a replacement would carry the name of the resource it replaces, so that the old one has to go first."""
    return any(prop.autoname and old.get(prop.name) == new.get(prop.name) for prop in kind.properties)


def _differs(prop: Property, old: Any, new: Any) -> bool:
    if new is None and prop.computed:
        return False
    return bool(_plain(prop, old) != _plain(prop, new))


def _plain(prop: Property, value: Any) -> Any:
    """Absent, empty and default are one and the same to the API."""
    if value is None or value == prop.default:
        return None
    if prop.default is None and not isinstance(value, int | float) and not value:
        return None
    if prop.default is None and value is False:
        return None
    # The API keeps every list as a set; the keys of an object arrive in any order.
    return sorted(map(_canonical, value)) if isinstance(value, list) else value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _has_type(value: Any, wanted: type) -> bool:
    if wanted in (int, float):
        return isinstance(value, int if wanted is int else int | float) and not isinstance(value, bool)
    return isinstance(value, wanted)
