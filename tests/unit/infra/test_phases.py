import itertools

from infra.phases import PHASES

# The plan's table 4.2: vCPU, memory GB, storage GB, dollars a month.
PLAN = {1: (4, 8, 100, 80), 2: (4, 8, 200, 90), 3: (8, 16, 300, 160), 4: (8, 16, 500, 200)}


def test_phases_are_the_plan_s() -> None:
    rows = {n: (p.vcpus, p.memory_gb, p.storage_gb, p.monthly_cost_usd) for n, p in PHASES.items()}
    assert rows == PLAN


def test_the_size_slug_says_the_same_processors_and_memory() -> None:
    for phase in PHASES.values():
        assert phase.size == f"s-{phase.vcpus}vcpu-{phase.memory_gb}gb"
        assert phase.memory_mb == phase.memory_gb * 1024


def test_phases_only_grow() -> None:
    rows = [PHASES[n] for n in sorted(PHASES)]
    for before, after in itertools.pairwise(rows):
        assert after.vcpus >= before.vcpus
        assert after.memory_gb >= before.memory_gb
        assert after.storage_gb > before.storage_gb
