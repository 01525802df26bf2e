"""Ansible's linear strategy on Mitogen: one interpreter per host and run instead of one per task.

docs/decisions/0003-mitogen.md has the measurement. `ANSIBLE_STRATEGY=linear` switches it off for one run.
"""

from ansible_mitogen.loaders import strategy_loader  # type: ignore[import-untyped]
from ansible_mitogen.strategy import StrategyMixin  # type: ignore[import-untyped]

Base = strategy_loader.get("linear", class_only=True)


class StrategyModule(StrategyMixin, Base):  # type: ignore[misc, valid-type]
    """`linear`, with tasks executed through Mitogen."""
