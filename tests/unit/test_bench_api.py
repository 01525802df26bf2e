"""What the API's benchmark tells wrk, and reads from it."""

import pytest

from benchmarks.api import REQUESTS, Sample, read, script
from ops.errors import OperatorError

SAID = """Running 4s test @ http://127.0.0.1/
  1 threads and 50 connections
measured\tfailed\t2
measured\tp50_ms\t4.1
measured\tp95_ms\t9.25
measured\tp99_ms\t20
measured\trequests\t4000
measured\tseconds\t4.001
"""


def test_a_report_is_read() -> None:
    sample = read(SAID)
    assert sample == Sample(requests=4000, seconds=4.001, failed=2, p50_ms=4.1, p95_ms=9.25, p99_ms=20)
    assert round(sample.per_second) == 1000


@pytest.mark.parametrize("broken", ["", SAID.replace("measured\tfailed\t2\n", ""), "unable to connect"])
def test_a_report_without_a_figure_is_an_error_and_not_a_zero(broken: str) -> None:
    with pytest.raises(OperatorError, match="did not measure"):
        read(broken)


def test_silence_is_an_error() -> None:
    with pytest.raises(OperatorError, match="nothing was answered"):
        read(SAID.replace("requests\t4000", "requests\t0"))


def test_the_script_quotes_what_it_is_given() -> None:
    lua = script(REQUESTS[-1], {"apikey": 'a"b'}, "198.18.0.10")
    assert 'wrk.headers["apikey"] = "a\\"b"' in lua
    assert 'wrk.method = "POST"' in lua
    assert '"{\\"customer\\": \\"customer 1\\"' in lua
    assert 'wrk.lookup("198.18.0.10", service)' in lua
