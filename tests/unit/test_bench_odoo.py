"""What the benchmark of the synchronisation says of its seconds."""

from benchmarks.odoo import percentile


def test_a_percentile_is_one_of_the_measured() -> None:
    seconds = [float(number) for number in range(100, 0, -1)]
    assert [percentile(seconds, rank) for rank in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([3.0], 50) == percentile([3.0], 99) == 3
    assert percentile([1.0, 2.0, 3.0], 95) == 3
