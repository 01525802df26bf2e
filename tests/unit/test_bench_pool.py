"""What the pooler's benchmark reads from pgbench."""

import pytest

from benchmarks.pool import Sample, read
from ops.errors import OperatorError

SAID = """pgbench (17.12)
number of transactions actually processed: 155591
number of failed transactions: 3 (0.000%)
latency average = 105.828 ms
initial connection time = 9227.091 ms
tps = 9449.314220 (without initial connection time)
"""


def test_a_report_is_read() -> None:
    assert read(SAID) == Sample(tps=9449.31422, latency_ms=105.828, connecting_ms=9227.091, failed=3)


def test_a_report_without_a_figure_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(OperatorError, match="did not say"):
        read(SAID.replace("tps", "x"))
