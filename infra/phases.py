"""The four phases of the plan as data. Phases are cumulative: each keeps what the one before it has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One row of the plan's table 4.2, with the droplet size that meets it."""

    number: int
    title: str
    vcpus: int
    memory_gb: int
    storage_gb: int
    monthly_cost_usd: int
    size: str

    @property
    def memory_mb(self) -> int:
        """Memory as the server sees it."""
        return self.memory_gb * 1024


PHASES: dict[int, Phase] = {
    phase.number: phase
    for phase in (
        #     number title                vcpus memory storage cost size
        Phase(1, "Foundation", 4, 8, 100, 80, "s-4vcpu-8gb"),
        Phase(2, "Odoo integration", 4, 8, 200, 90, "s-4vcpu-8gb"),
        Phase(3, "Real-time and storage", 8, 16, 300, 160, "s-8vcpu-16gb"),
        Phase(4, "Advanced features", 8, 16, 500, 200, "s-8vcpu-16gb"),
    )
}
