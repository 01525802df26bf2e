"""Mails that the platform sent, as their recipients find them in the sandbox's mail server."""

import html
import re
import time
from urllib.parse import parse_qs, urlsplit

from sandbox import home
from sandbox.services import mail

ARRIVAL_SECONDS = 20.0
LINK = re.compile(r"https?://[^\s\"'<>]+/verify\?[^\s\"'<>]+")


def newest_link(email: str, kind: str = "signup") -> str:
    """The link of one kind (signup, recovery) that was mailed last to an address; waits for the first one."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        found = [link for link in _links(email) if parse_qs(urlsplit(link).query)["type"] == [kind]]
        if found:
            return found[-1]
        assert time.monotonic() < deadline, f"no mail with a {kind} link for {email}"
        time.sleep(0.2)


def _links(email: str) -> list[str]:
    texts = [
        part.get_content()
        for message in mail.received(home.current(), email)
        for part in message.walk()
        if part.get_content_maintype() == "text"
    ]
    return [link for text in texts for link in LINK.findall(html.unescape(text))]
