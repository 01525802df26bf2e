"""Mails are found by whom the envelope was for."""

import os
from pathlib import Path

from sandbox.cloud.account import Account
from sandbox.services.mail import folder, received


def test_mails_to_an_address_come_oldest_first(account: Account) -> None:
    place = folder(account.home)
    place.mkdir(parents=True)
    for name, recipients, subject, when in (
        ("1", "a@x.test, b@x.test", "second", 2),
        ("2", "a@x.test", "first", 1),
        ("3", "ba@x.test", "other", 3),
    ):
        path = Path(place, name)
        path.write_text(f"To: whoever@x.test\nX-RcptTo: {recipients}\nSubject: {subject}\n\nhello\n")
        os.utime(path, (when, when))
    assert [str(mail["Subject"]) for mail in received(account.home, "a@x.test")] == ["first", "second"]
    assert received(account.home, "b@x.test")[0].get_content() == "hello\n"


def test_there_is_none_before_the_first(account: Account) -> None:
    assert received(account.home, "a@x.test") == []
