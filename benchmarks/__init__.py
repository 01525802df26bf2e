"""Measurements: each prints one table and writes benchmarks/results/NAME.json. Run by `make bench NAME=...`."""
