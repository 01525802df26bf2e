"""What n8n's declaration needs computed."""

import re

import pytest

from plugins.filter.n8n import bcrypt_salt, seconds_of


def test_a_salt_is_bcrypt_s_and_stays_the_same() -> None:
    salt = bcrypt_salt("a password")
    assert re.fullmatch(r"[./A-Za-z0-9]{21}[.Oeu]", salt)
    assert bcrypt_salt("a password") == salt
    assert bcrypt_salt("another password") != salt


@pytest.mark.parametrize(
    ("position", "every", "seconds"),
    [(0, 30, "0,30"), (3, 30, "11,41"), (7, 30, "26,56"), (7, 60, "52"), (1, 20, "2,22,42")],
)
def test_runs_are_spread_over_their_time(position: int, every: int, seconds: str) -> None:
    assert seconds_of(position, 8, every) == seconds
