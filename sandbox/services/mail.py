"""A mail server that keeps every mail that is handed to it, for whomever: what the platform sends goes no further."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from sandbox.home import Home
from sandbox.network import public_network, service_address
from sandbox.services import container

# Where mail servers answer for machines whose cloud blocks 25, 465 and 587, as DigitalOcean does at first.
PORT = 2525
_FOLDER = "/srv/mail"
_LARGEST_BYTES = 10_000_000


def ensure(home: Home) -> None:
    """Start the server unless it runs."""
    public_network(home)
    place = home.services / "mail"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    container.ensure(
        home,
        "mail",
        PORT,
        ["--volume", f"{place}:{_FOLDER}"],
        [
            "python3",
            "-m",
            "aiosmtpd",
            "--nosetuid",
            f"--listen=0.0.0.0:{PORT}",
            f"--size={_LARGEST_BYTES}",
            "--class=aiosmtpd.handlers.Mailbox",
            f"{_FOLDER}/box",
        ],
    )


def address(home: Home) -> str:
    """The server's host; it has no TLS and no users."""
    return service_address(home, "mail")


def folder(home: Home) -> Path:
    """Where each mail arrives, a file of its own; the headers X-MailFrom and X-RcptTo say what the envelope said."""
    return home.services / "mail" / "box" / "new"


def received(home: Home, recipient: str) -> list[EmailMessage]:
    """The mails to an address, oldest first."""
    parser = BytesParser(policy=policy.default)
    files = sorted(folder(home).glob("*"), key=lambda path: path.stat().st_mtime_ns)
    mails = [parser.parsebytes(path.read_bytes()) for path in files]
    return [mail for mail in mails if recipient in str(mail["X-RcptTo"]).split(", ")]
