"""Values on their way between engine and account."""

from google.protobuf import struct_pb2

from sandbox.cloud.kind import UNKNOWN
from sandbox.provider.values import dump, load


def struct(**fields: object) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(fields)
    return made


def test_whole_numbers_are_ints() -> None:
    assert load(struct(size=500.0, price=0.5)) == {"size": 500, "price": 0.5}


def test_unknowns_travel_both_ways() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    loaded = load(struct(id=unknown, rules=[{"ids": [unknown]}]))
    assert loaded["id"] is UNKNOWN
    assert loaded["rules"][0]["ids"][0] is UNKNOWN
    assert load(dump(loaded)) == loaded


def test_secrets_are_unwrapped() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "text"}
    assert load(struct(data=secret)) == {"data": "text"}


def test_absent_values_and_the_engine_s_own_keys_are_left_out() -> None:
    assert load(struct(name=None, __defaults=[])) == {}
    assert "name" not in dump({"name": None}).fields
