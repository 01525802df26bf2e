"""What DigitalOcean offers: regions, droplet sizes, images."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.cloud.kind import UNKNOWN, Failure

REGIONS = (
    "nyc1",
    "nyc2",
    "nyc3",
    "sfo2",
    "sfo3",
    "ams3",
    "sgp1",
    "lon1",
    "fra1",
    "tor1",
    "blr1",
    "syd1",
    "atl1",
    "ric1",
)
SPACES_REGIONS = ("nyc3", "sfo2", "sfo3", "ams3", "sgp1", "lon1", "fra1", "tor1", "blr1", "syd1", "atl1", "ric1")
BOOTABLE_IMAGE = "debian-13-x64"
IMAGES = (
    BOOTABLE_IMAGE,
    "debian-12-x64",
    "ubuntu-24-04-x64",
    "ubuntu-22-04-x64",
    "fedora-42-x64",
    "rockylinux-9-x64",
    "almalinux-9-x64",
)

_HOURS_PER_MONTH = 672
_TAG = re.compile(r"[A-Za-z0-9:_-]{1,255}")


@dataclass(frozen=True)
class Size:
    """A droplet size."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    price_monthly: float

    @property
    def price_hourly(self) -> float:
        """The price of an hour; a month is billed as 28 days."""
        return round(self.price_monthly / _HOURS_PER_MONTH, 5)


SIZES = {
    "s-1vcpu-512mb-10gb": Size(1, 512, 10, 4),
    "s-1vcpu-1gb": Size(1, 1024, 25, 6),
    "s-1vcpu-2gb": Size(1, 2048, 50, 12),
    "s-2vcpu-2gb": Size(2, 2048, 60, 18),
    "s-2vcpu-4gb": Size(2, 4096, 80, 24),
    "s-4vcpu-8gb": Size(4, 8192, 160, 48),
    "s-8vcpu-16gb": Size(8, 16384, 320, 96),
    "s-1vcpu-1gb-amd": Size(1, 1024, 25, 7),
    "s-1vcpu-2gb-amd": Size(1, 2048, 50, 14),
    "s-2vcpu-2gb-amd": Size(2, 2048, 60, 21),
    "s-2vcpu-4gb-amd": Size(2, 4096, 80, 28),
    "s-2vcpu-8gb-amd": Size(2, 8192, 100, 42),
    "s-4vcpu-8gb-amd": Size(4, 8192, 160, 56),
    "s-4vcpu-16gb-amd": Size(4, 16384, 200, 84),
    "s-8vcpu-16gb-amd": Size(8, 16384, 320, 112),
    "s-1vcpu-1gb-intel": Size(1, 1024, 25, 7),
    "s-1vcpu-2gb-intel": Size(1, 2048, 50, 14),
    "s-2vcpu-2gb-intel": Size(2, 2048, 60, 21),
    "s-2vcpu-4gb-intel": Size(2, 4096, 80, 28),
    "s-2vcpu-8gb-160gb-intel": Size(2, 8192, 160, 48),
    "s-4vcpu-8gb-intel": Size(4, 8192, 160, 56),
    "s-4vcpu-16gb-320gb-intel": Size(4, 16384, 320, 96),
    "s-8vcpu-16gb-intel": Size(8, 16384, 320, 112),
    "s-8vcpu-32gb-640gb-intel": Size(8, 32768, 640, 192),
    "g-2vcpu-8gb": Size(2, 8192, 25, 63),
    "g-4vcpu-16gb": Size(4, 16384, 50, 126),
    "g-8vcpu-32gb": Size(8, 32768, 100, 252),
    "gd-2vcpu-8gb": Size(2, 8192, 50, 68),
    "gd-4vcpu-16gb": Size(4, 16384, 100, 136),
    "gd-8vcpu-32gb": Size(8, 32768, 200, 272),
    "c-2": Size(2, 4096, 25, 42),
    "c-4": Size(4, 8192, 50, 84),
    "c-8": Size(8, 16384, 100, 168),
    "c2-2vcpu-4gb": Size(2, 4096, 50, 47),
    "c2-4vcpu-8gb": Size(4, 8192, 100, 94),
    "c2-8vcpu-16gb": Size(8, 16384, 200, 188),
    "m-2vcpu-16gb": Size(2, 16384, 50, 84),
    "m-4vcpu-32gb": Size(4, 32768, 100, 168),
    "m-8vcpu-64gb": Size(8, 65536, 200, 336),
}


def one_of(name: str, value: Any, allowed: tuple[str, ...] | dict[str, Any]) -> Iterator[Failure]:
    """A failure unless the value is absent, unknown or allowed."""
    if value is not None and value is not UNKNOWN and value not in allowed:
        yield name, f"expected {name} to be one of {', '.join(allowed)}, got {value!r}"


def tags(values: Any) -> Iterator[Failure]:
    """Failures for names that cannot be tags."""
    for tag in values if isinstance(values, list) else []:
        if isinstance(tag, str) and not _TAG.fullmatch(tag):
            yield "tags", f"tags may only contain letters, numbers, colons, dashes, and underscores, got {tag!r}"
