"""Where a sandbox keeps its things, and the name that marks what is its own on this machine."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / ".cache"
VERSIONS = REPOSITORY / "playbooks" / "group_vars" / "all" / "versions.yml"


@dataclass(frozen=True)
class Home:
    """One sandbox: a folder, and an id derived from it so that two checkouts never touch each other's things."""

    path: Path

    @property
    def id(self) -> str:
        """Eight characters that name this sandbox in docker."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:8]

    @property
    def label(self) -> str:
        """The docker label of everything that belongs to this sandbox."""
        return f"supabase-sandbox.home={self.id}"

    @property
    def state_file(self) -> Path:
        """The account: every resource that exists."""
        return self.path / "state.json"

    @property
    def credentials(self) -> Path:
        """The account's keys, random and made once."""
        return self.path / "credentials.json"

    @property
    def locks(self) -> Path:
        """Folder of lock files."""
        return self.path / "locks"

    @property
    def volumes(self) -> Path:
        """Folder of the files behind the volumes."""
        return self.path / "volumes"

    @property
    def droplets(self) -> Path:
        """Folder of what each droplet's hypervisor tells it."""
        return self.path / "droplets"

    @property
    def services(self) -> Path:
        """Folder of the configuration and data of DNS, ACME and object storage."""
        return self.path / "services"

    def name(self, kind: str, ident: object) -> str:
        """Name of a docker object."""
        return f"sandbox-{self.id}-{kind}-{ident}"

    def make(self) -> None:
        """Create the folder, readable by its owner alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)


def current() -> Home:
    """The sandbox that SANDBOX_HOME names, by default the one of this checkout."""
    return Home(Path(os.environ.get("SANDBOX_HOME") or REPOSITORY / ".sandbox").resolve())
