"""Droplets that stand alone, as Molecule makes them, beside a platform of the same account."""

import pytest

from sandbox import droplet
from sandbox.cloud.account import Account
from sandbox.cloud.volume import Volume


@pytest.fixture
def tidied(monkeypatch: pytest.MonkeyPatch) -> list[Account]:
    """Each time the account was tidied up."""
    calls: list[Account] = []
    monkeypatch.setattr(droplet, "tidy", calls.append)
    return calls


def test_who_removes_nothing_leaves_the_services_of_others(account: Account, tidied: list[Account]) -> None:
    droplet._destroy(account, "never-made")
    assert tidied == []


def test_a_volume_that_was_left_is_removed_and_the_account_tidied(
    account: Account, tidied: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(Volume, "delete", lambda _self, _account, ident: deleted.append(ident))
    with account.state.change() as state:
        state["volumes"] = {
            "1": {"id": "1", "urn": f"{droplet._OWNER}:mine"},
            "2": {"id": "2", "urn": f"{droplet._OWNER}:others"},
        }
    droplet._destroy(account, "mine")
    assert deleted == ["1"]
    assert tidied == [account]
