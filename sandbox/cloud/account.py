"""What all resource types share: the state, identifiers, and errors as the API words them."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.state import Record, State


class ApiError(SandboxError):
    """The API's refusal, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        """Refuse with an HTTP status and the API's words."""
        super().__init__(f"API error {status}: {message}")
        self.status = status


class Account:
    """One sandbox's cloud account."""

    def __init__(self, home: Home) -> None:
        """Open the account of a sandbox."""
        self.home = home
        self.state = State(home)
        self.spaces_credentials = ("", "")

    def find(self, collection: str, ident: str) -> Record | None:
        """A resource by its id, or None."""
        record: Record | None = self.state.read().get(collection, {}).get(ident)
        return record

    def get(self, collection: str, ident: str) -> Record:
        """A resource by its id; a missing one is a 404."""
        record = self.find(collection, ident)
        if record is None:
            raise ApiError(404, f"The resource you requested could not be found: {collection} {ident}.")
        return record

    def spaces_keys(self) -> tuple[str, str]:
        """Access key and secret key of the account itself, with which buckets and other keys are made."""
        access_key, secret_key = self.spaces_credentials
        if not access_key or not secret_key:
            raise ApiError(
                403,
                "Spaces keys are missing; set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY (sandbox: make env)",
            )
        return access_key, secret_key


def new_uuid() -> str:
    """An id as most resources have it."""
    return str(uuid.uuid4())


def new_number(state: dict[str, Any]) -> int:
    """An id as droplets, keys and records have it."""
    number: int = state["next_number"]
    state["next_number"] = number + 1
    return number


def now() -> str:
    """The present moment as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refuse_duplicate(state: dict[str, Any], collection: str, field: str, value: object, message: str) -> None:
    """Refuse a second resource with the same value in a field."""
    if any(record[field] == value for record in state.get(collection, {}).values()):
        raise ApiError(422, message)
