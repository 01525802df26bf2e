"""The sandbox's resource types have the properties of the official SDK, no more and no fewer."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from sandbox.cloud.kind import Kind
from sandbox.cloud.kinds import KINDS

SDK = Path(importlib.util.find_spec("pulumi_digitalocean").submodule_search_locations[0])  # type: ignore[union-attr, index]


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def constructor(kind: Kind) -> tuple[dict[str, bool], set[str], set[str]]:
    """Inputs by name, with whether they are required, the outputs that are no inputs, and those that are secret."""
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.resource_type.split(":")[-1]).lower()
    tree = ast.parse((SDK / f"{module}.py").read_text())
    (method,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_internal_init"]
    source = ast.unparse(method)
    required = set(re.findall(r"Missing required property '(\w+)'", source))
    arguments = [
        argument.arg
        for argument in method.args.args
        if argument.arg not in ("__self__", "resource_name", "opts", "__props__")
    ]
    secret = set(re.findall(r"\w+", " ".join(re.findall(r"additional_secret_outputs=\[([^]]*)\]", source))))
    outputs = set(re.findall(r"__dict__\['(\w+)'\] = None", source))
    return (
        {camel(name): name in required for name in arguments},
        {camel(name) for name in outputs},
        secret,
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.resource_type.split(":")[-1])
def test_inputs_and_outputs_match_the_sdk(kind: Kind) -> None:
    inputs, outputs, secret = constructor(kind)
    unsupported = {"gpuPartitionMode", "ipv6Address"}
    assert {prop.name: prop.required for prop in kind.properties} == {
        name: required for name, required in inputs.items() if name not in unsupported
    }
    assert outputs <= set(kind.computed) <= outputs | set(inputs)
    assert set(kind.secret) == secret & outputs
