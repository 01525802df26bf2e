"""What `make rebuild-silver` says of what it did."""

from typing import Any

import pytest

from ops import rebuild_silver as command
from ops.errors import OperatorError
from ops.stack import Stack


def row(name: str, *, same: bool = True, after: int = 1200) -> dict[str, Any]:
    return {"name": name, "before": 1200, "after": after, "same": same}


def test_the_same_silver_is_called_identical() -> None:
    rows = [row("gold.fact_invoice"), row("silver.partners")]
    assert command.comparison(rows).count("identical") == 2
    assert "1,200" in command.comparison(rows)
    assert command.verdict(rows) == "silver and gold are identical to what they were"


def test_what_was_not_as_bronze_says_is_named() -> None:
    rows = [row("gold.fact_invoice"), row("silver.partners", same=False, after=1201)]
    assert "1,201" in command.comparison(rows)
    assert command.verdict(rows).endswith(": silver.partners")


class Silent:
    """A server whose database answers nothing."""

    def __init__(self, *_: object) -> None: ...
    def __enter__(self) -> "Silent":  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None: ...
    def run(self, *_: object) -> str:
        return ""


def test_no_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Server", Silent)
    monkeypatch.setattr(Stack, "outputs", lambda _: {})
    with pytest.raises(OperatorError, match="make verify"):
        command.rebuild_silver(Stack("phase2"))
