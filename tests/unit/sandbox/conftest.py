"""A sandbox in a temporary folder, without docker."""

from pathlib import Path

import pytest

from sandbox.cloud.account import Account
from sandbox.home import Home


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(Home(tmp_path / "home"))
