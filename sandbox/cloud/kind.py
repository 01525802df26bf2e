"""The contract of a resource type."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.cloud.account import Account, now
from sandbox.state import Record

type Values = dict[str, Any]
"""Property values by name, as a Pulumi program gives or sees them."""

type Failure = tuple[str, str]
"""The property that is wrong, and why."""


class Unknown:
    """A value that the preview cannot know yet."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Property:
    """One input of a resource type."""

    name: str
    type: type
    required: bool = False
    replaces: bool = False
    """A change makes a new resource."""
    autoname: bool = False
    """Made from the resource's name in the program when absent."""
    computed: bool = False
    """The API fills it in when absent, so its absence is no change."""
    default: Any = None
    """What the API takes when absent."""
    write_only: bool = False
    """The API never tells it; reads keep what the program said."""


class Kind(ABC):
    """A resource type: its rules, and what it does on this machine."""

    resource_type: ClassVar[str]
    collection: ClassVar[str]
    properties: ClassVar[tuple[Property, ...]]
    computed: ClassVar[tuple[str, ...]] = ()
    """Outputs that only exist once the resource does."""
    secret: ClassVar[tuple[str, ...]] = ()
    """Outputs that nobody is shown; the SDK keeps them encrypted in the stack's state."""

    def check(self, inputs: Values) -> Iterator[Failure]:  # noqa: ARG002 most types say more
        """What is wrong with inputs whose types are right; values may be absent or UNKNOWN."""
        yield from ()

    def check_change(self, old: Values, new: Values) -> None:  # noqa: B027 few changes are refused
        """Refuse, at preview already, a change the API would refuse."""

    def preview(self, inputs: Values) -> Values:  # noqa: ARG002 few outputs are known early
        """Outputs that can be told from the inputs before anything exists."""
        return {}

    def is_there(self, account: Account, ident: str) -> bool:  # noqa: ARG002 most types live in the state alone
        """Whether a recorded resource still exists outside the account's state."""
        return True

    @abstractmethod
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Make the resource; returns its id."""

    @abstractmethod
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a resource."""

    @abstractmethod
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Change a resource in place."""

    @abstractmethod
    def delete(self, account: Account, ident: str) -> None:
        """Remove the resource; a missing one is fine."""


def record(ident: object, urn: str, **fields: Any) -> Record:
    """A new record. It is `confirmed` once the engine shows that it knows of the resource."""
    return {"id": ident, "urn": urn, "confirmed": False, "created_at": now(), **fields}
