"""Property values between the engine's protobuf structs and Python."""

from typing import Any

from google.protobuf import struct_pb2

from sandbox.cloud.kind import UNKNOWN, Values

_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# The engine's placeholders for values a preview does not know: string, bool, number, array, asset, archive, object.
_UNKNOWN = {
    _UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
_SIGNATURE = "4dabf18193072939515e22adb298388d"


def load(struct: struct_pb2.Struct) -> Values:
    """Read a struct; whole numbers become ints, wrapped values are unwrapped, absent ones are left out."""
    loaded = {name: _load(value) for name, value in struct.fields.items() if not name.startswith("__")}
    return {name: value for name, value in loaded.items() if value is not None}


def dump(values: Values) -> struct_pb2.Struct:
    """Write a struct; None is left out."""
    struct = struct_pb2.Struct()
    struct.update({name: _dump(value) for name, value in values.items() if value is not None})
    return struct


def _load(value: struct_pb2.Value) -> Any:  # noqa: PLR0911 one per kind
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            if _SIGNATURE in fields:  # a secret or an output value
                return _load(fields["value"]) if "value" in fields else UNKNOWN
            return load(value.struct_value)
        case "list_value":
            return [_load(item) for item in value.list_value.values]
        case "number_value":
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN else value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _dump(value: Any) -> Any:
    if value is UNKNOWN:
        return _UNKNOWN_STRING
    if isinstance(value, dict):
        return {name: _dump(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_dump(item) for item in value]
    return value
