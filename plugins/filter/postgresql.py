"""PostgreSQL settings that follow from the machine's size. Other services share it."""

from collections.abc import Callable

KB_PER_MB = 1024


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def postgresql_sizing(memory_mb: int, vcpus: int) -> dict[str, int | str]:
    """Memory, connections and processes for a droplet of this size.

    shared_buffers is a quarter of the memory, the usual starting point; the kernel's cache is expected to hold another
    quarter, because the API services share the machine. work_mem is sized so that a quarter of the connections
    sorting at once stay within an eighth of the memory.
    """
    connections = _between(60, memory_mb // 80, 200)
    workers = max(2, vcpus // 2)
    return {
        "max_connections": connections,
        "shared_buffers": f"{memory_mb // 4}MB",
        "effective_cache_size": f"{memory_mb // 2}MB",
        "work_mem": f"{_between(2 * KB_PER_MB, memory_mb * KB_PER_MB // 8 // (connections // 4), 64 * KB_PER_MB)}kB",
        "maintenance_work_mem": f"{_between(64, memory_mb // 16, 2048)}MB",
        "autovacuum_work_mem": f"{_between(32, memory_mb // 32, 1024)}MB",
        "max_worker_processes": 8 + vcpus,
        "max_parallel_workers": vcpus,
        "max_parallel_workers_per_gather": _between(1, workers, 4),
        "max_parallel_maintenance_workers": _between(1, workers, 4),
        "autovacuum_max_workers": _between(3, workers, 6),
        "autovacuum_vacuum_cost_limit": _between(400, 200 * workers, 2000),
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"postgresql_sizing": postgresql_sizing}
