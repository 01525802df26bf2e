"""What n8n's declaration needs computed."""

import base64
import hashlib
from collections.abc import Callable

_SALT_BYTES = 16
_MINUTE = 60
# bcrypt has an alphabet of its own.
_STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def bcrypt_salt(password: str) -> str:
    """A salt that follows from the password, so that its hash stays the same; 22 characters as bcrypt writes them.

    Passwords here are made by a generator: no two are alike, and no table has their hashes.
    """
    salt = hashlib.sha256(f"bcrypt salt:{password}".encode()).digest()[:_SALT_BYTES]
    return base64.b64encode(salt).decode().rstrip("=").translate(str.maketrans(_STANDARD, _BCRYPT))


def seconds_of(position: int, count: int, every: int) -> str:
    """The seconds of a minute at which one of `count` runs that happens every so many seconds: all are spread out."""
    first = position * every // count
    return ",".join(str(second) for second in range(first, _MINUTE, every))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"bcrypt_salt": bcrypt_salt, "seconds_of": seconds_of}
