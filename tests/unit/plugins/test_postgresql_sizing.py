"""PostgreSQL's settings for a machine of a given size."""

from hypothesis import given
from hypothesis import strategies as st

from plugins.filter.postgresql import postgresql_sizing

MEMORY = st.integers(min_value=1024, max_value=262_144)
VCPUS = st.integers(min_value=1, max_value=64)


def megabytes(value: int | str) -> float:
    text = str(value)
    return int(text[:-2]) * {"kB": 1 / 1024, "MB": 1}[text[-2:]]


def test_phase_one_droplet() -> None:
    sizing = postgresql_sizing(16_384, 4)
    assert sizing["shared_buffers"] == "4096MB"
    assert sizing["effective_cache_size"] == "8192MB"
    assert sizing["max_connections"] == 200
    assert sizing["max_worker_processes"] == 12


@given(MEMORY, VCPUS)
def test_a_busy_server_stays_within_half_of_the_memory(memory: int, vcpus: int) -> None:
    sizing = postgresql_sizing(memory, vcpus)
    sorting = megabytes(sizing["work_mem"]) * (int(sizing["max_connections"]) // 4)
    cleaning = megabytes(sizing["autovacuum_work_mem"]) * int(sizing["autovacuum_max_workers"])
    assert megabytes(sizing["shared_buffers"]) + sorting + cleaning <= memory * 0.6


@given(MEMORY, VCPUS)
def test_workers_fit_into_what_the_server_may_start(memory: int, vcpus: int) -> None:
    sizing = postgresql_sizing(memory, vcpus)
    assert int(sizing["max_parallel_workers"]) < int(sizing["max_worker_processes"])
    assert int(sizing["max_parallel_workers_per_gather"]) >= 1


@given(MEMORY, MEMORY, VCPUS)
def test_more_memory_never_means_less(one: int, other: int, vcpus: int) -> None:
    small, big = postgresql_sizing(min(one, other), vcpus), postgresql_sizing(max(one, other), vcpus)
    assert megabytes(small["shared_buffers"]) <= megabytes(big["shared_buffers"])
    assert int(small["max_connections"]) <= int(big["max_connections"])
