#!/usr/bin/python3
"""The edge's certificate: had from an authority by ACME, renewed, handed to nginx. There is always one that serves.

Key and chain are one file, so that a certificate never meets another one's key. Commands:
  placeholder  sign one ourselves when there is none yet: nginx must answer before the authority can ask it
  ensure       have one of the authority's for exactly the declared names
  renew        renew it when it is due (the timer), or now with --force
  deploy       hand the authority's newest to nginx (Certbot calls it)
  metrics      publish when the certificate in place expires
"""

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DECLARATION = Path("/etc/supabase-platform/certificate.json")
LOCK = Path("/run/lock/platform-certificate.lock")
MODE = 0o600
PLACEHOLDER_DAYS = 7
SERVED_SECONDS = 15.0
PREFIX = "supabase_certificate"


class CertificateError(Exception):
    """What is wrong, for a person."""


@dataclass(frozen=True)
class Settings:
    """What the role declares."""

    names: tuple[str, ...]
    directory: str
    email: str
    webroot: str
    pair: Path
    certbot: Path
    lineage: str
    address: str
    unit: str
    https_port: int
    textfile: Path

    @property
    def live(self) -> Path:
        """Where Certbot keeps its newest."""
        return self.certbot / "live" / self.lineage

    @property
    def renewal(self) -> Path:
        """Where Certbot keeps how it got it."""
        return self.certbot / "renewal" / f"{self.lineage}.conf"


def read_settings(path: Path) -> Settings:
    """The declaration of this server."""
    held = json.loads(path.read_text(encoding="utf-8"))
    paths = {name: Path(held[name]) for name in ("pair", "certbot", "textfile")}
    return Settings(**{**held, **paths, "names": tuple(held["names"])})


# --- certificates ---


@dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself."""

    names: frozenset[str]
    expires: datetime
    self_signed: bool

    @property
    def title(self) -> str:
        """For people."""
        kind = "a self-signed placeholder" if self.self_signed else "a certificate of the authority"
        return f"{kind}, valid until {self.expires:%Y-%m-%d %H:%M} UTC"


def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program and keep what it says."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def read_certificate(pem: str) -> Certificate | None:
    """The first certificate of a PEM text, if there is one."""
    done = run("openssl", "x509", "-noout", "-enddate", "-subject", "-issuer", "-ext", "subjectAltName", stdin=pem)
    return parse_certificate(done.stdout) if done.returncode == 0 else None


def parse_certificate(printed: str) -> Certificate:
    """What `openssl x509 -enddate -subject -issuer -ext subjectAltName` prints."""
    fields = dict(line.split("=", 1) for line in printed.splitlines() if re.match(r"(notAfter|subject|issuer)=", line))
    expires = datetime.strptime(fields["notAfter"], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    names = frozenset(re.findall(r"DNS:([^,\s]+)", printed))
    return Certificate(names, expires, fields["subject"] == fields["issuer"])


def is_pair(pem: str) -> bool:
    """Whether a PEM text holds a certificate and the key that belongs to it."""
    certificate, key = (
        run("openssl", "x509", "-noout", "-pubkey", stdin=pem),
        run("openssl", "pkey", "-pubout", stdin=pem),
    )
    return certificate.returncode == 0 and certificate.stdout == key.stdout


def held(settings: Settings) -> str:
    """The pair that nginx reads, empty when there is none."""
    return settings.pair.read_text(encoding="ascii") if settings.pair.exists() else ""


def newest(settings: Settings) -> str:
    """The pair that Certbot had last, empty when it never had one."""
    files = [settings.live / name for name in ("privkey.pem", "fullchain.pem")]
    return "".join(path.read_text(encoding="ascii") for path in files) if all(map(Path.exists, files)) else ""


def is_private(path: Path) -> bool:
    """Whether a file is root's alone."""
    found = path.stat()
    return (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, 0, MODE)


def write_whole(path: Path, content: str, mode: int) -> None:
    """Put a file in its place whole."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    Path(scratch).chmod(mode)
    Path(scratch).rename(path)


# --- the placeholder ---


def placeholder(settings: Settings, *, check: bool) -> str:
    """Have something that nginx can start with; returns why it had to be made, or nothing."""
    present = held(settings)
    if present and is_pair(present):
        return ""
    if not check:
        content = newest(settings)
        write_whole(settings.pair, content if content and is_pair(content) else self_signed(settings.names), MODE)
    return f"{settings.pair} held no certificate with its key"


def self_signed(names: Sequence[str]) -> str:
    """Key and certificate, good until the authority's come."""
    with tempfile.TemporaryDirectory() as scratch:
        key, certificate = Path(scratch, "key"), Path(scratch, "certificate")
        done = run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-sha256"),
            *("-days", str(PLACEHOLDER_DAYS), "-subj", "/CN=placeholder"),
            *("-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)),
            *("-keyout", str(key), "-out", str(certificate)),
        )
        if done.returncode:
            raise CertificateError(f"openssl could not make a placeholder: {done.stderr.strip()}")
        return key.read_text() + certificate.read_text()


# --- the authority ---


def reason_to_ask(settings: Settings, certificate: Certificate | None, directory: str, now: datetime) -> str:
    """Why the authority must be asked, empty when Certbot's newest certificate does."""
    if certificate is None:
        return "there is none of the authority yet"
    if directory != settings.directory:
        return f"it is from {directory or 'an unknown authority'}"
    if certificate.names != set(settings.names):
        return f"it is for {', '.join(sorted(certificate.names))}"
    return "it expired" if certificate.expires <= now else ""


def directory_of(renewal: str) -> str:
    """The authority that Certbot's notes name."""
    found = re.search(r"^server = (\S+)$", renewal, re.MULTILINE)
    return found[1] if found else ""


def ensure(settings: Settings, *, check: bool) -> str:
    """Have the authority's certificate for exactly the declared names in place; returns what was done, or nothing."""
    notes = settings.renewal.read_text(encoding="utf-8") if settings.renewal.exists() else ""
    certificate, directory = read_certificate(newest(settings)), directory_of(notes)
    why = reason_to_ask(settings, certificate, directory, datetime.now(UTC))
    if why:
        if not check:
            obtain(settings, force=certificate is not None and directory != settings.directory)
        return f"asked {settings.directory} for a certificate: {why}"
    if held(settings) != newest(settings) or not is_private(settings.pair):
        if not check:
            deploy(settings)
        return f"{settings.pair} was not the authority's newest certificate, or not private"
    return ""


def obtain(settings: Settings, *, force: bool) -> None:
    """Ask for a certificate; its deployment is Certbot's hook, so that a renewal does the same."""
    words = [
        *("certonly", "--server", settings.directory, "--cert-name", settings.lineage, "--renew-with-new-domains"),
        *("--webroot", "--webroot-path", settings.webroot, "--key-type", "ecdsa"),
        *("--deploy-hook", f"{Path(__file__).resolve()} deploy"),
        *(word for name in settings.names for word in ("--domain", name)),
        *(["--force-renewal"] if force else []),
    ]
    certbot(settings, words)
    confirm(settings)


def renew(settings: Settings, *, force: bool) -> None:
    """Renew when Certbot finds it due: when less than a third of its life is left."""
    if not settings.renewal.exists():
        raise CertificateError("there is no certificate to renew; converge the server first: pulumi up")
    words = ["renew", "--cert-name", settings.lineage, "--no-random-sleep-on-renew"]
    certbot(settings, words + (["--force-renewal"] if force else []))
    confirm(settings)


def confirm(settings: Settings) -> None:
    """Make sure that the newest is served: Certbot only mentions that its hook failed."""
    if held(settings) != newest(settings):
        deploy(settings)
    elif runs(settings):
        wait_until_served(settings, held(settings))


def certbot(settings: Settings, words: Sequence[str]) -> None:
    """Run Certbot, or say why the authority gave no certificate."""
    account = ("--agree-tos", "--no-eff-email", "--email", settings.email)
    for _ in range(2):
        done = run("certbot", *words, "--non-interactive", *account, "--config-dir", str(settings.certbot))
        said = done.stdout + done.stderr
        if done.returncode and "accountDoesNotExist" in said:
            # The authority forgot us. A new account is made where there is none.
            forget_account(settings)
            continue
        break
    if done.returncode:
        raise CertificateError(explain(said, settings, read_certificate(held(settings))))


def forget_account(settings: Settings) -> None:
    """Put the account's key aside, and with it what Certbot's notes say of it."""
    accounts = settings.certbot / "accounts"
    if accounts.exists():
        accounts.rename(accounts.with_name(f"accounts.forgotten-{int(time.time())}"))
    if settings.renewal.exists():
        text = settings.renewal.read_text(encoding="utf-8")
        write_whole(settings.renewal, re.sub(r"^account = .*\n", "", text, flags=re.MULTILINE), 0o644)


CURES = {
    "dns": "there is no DNS record that leads here; enter A {address} (all of them: pulumi stack output dns_records)",
    "connection": "the authority got no answer on port 80 at the address this name leads to; it must lead to {address}",
    "unauthorized": "another server answered at the address this name leads to; it must lead to {address}",
    "caa": "a CAA record of the domain forbids this authority; add the authority to it",
}
_PROBLEM = re.compile(r"Domain:\s*(\S+)\s+Type:\s*(\S+)\s+Detail:\s*(.+)")


def explain(said: str, settings: Settings, present: Certificate | None) -> str:
    """Certbot's output as a person needs it: per name what is wrong and what to do, and what serves meanwhile."""
    problems = [
        f"{name}: {_cure(kind, detail).format(address=settings.address)}\n    it said: {detail}"
        for name, kind, detail in _PROBLEM.findall(said)
    ]
    if not problems:
        problems = [_other_problem(said)]
    serving = f"Meanwhile nginx serves {present.title}." if present else "nginx has no certificate to serve."
    lines = [f"No certificate from {settings.directory}.", *(f"  {problem}" for problem in problems), serving]
    return "\n".join([*lines, "Everything Certbot did: /var/log/letsencrypt/letsencrypt.log on the server."])


def _cure(kind: str, detail: str) -> str:
    # Some authorities call it a failed connection when there was no address to connect to.
    kind = "dns" if kind == "connection" and "resolve" in detail else kind
    return CURES.get(kind, "the authority refused it")


def _other_problem(said: str) -> str:
    renewals = re.findall(r"^Failed to renew certificate \S+ with error: (.+)$", said, re.MULTILINE)
    last = " ".join(renewals or [line.strip() for line in said.strip().splitlines()[-4:]])
    if re.search(r"rateLimited|too many (certificates|failed|new orders|registrations)", said, re.IGNORECASE):
        return f"it limits how often it is asked; the time to try again is in its answer: {last}"
    if re.search(r"SSLError|CERTIFICATE_VERIFY_FAILED", said):
        return f"its own certificate is not trusted by this server; is acme_directory right? It said: {last}"
    if re.search(r"Connection ?(Error|refused|reset)|[Tt]ime(out|d out)|NameResolution|Max retries|unreachable", said):
        return f"it cannot be reached from this server; the next run tries again. It said: {last}"
    return last or "Certbot said nothing"


# --- nginx ---


def deploy(settings: Settings) -> None:
    """Hand the newest pair to nginx, without a lost request; what nginx refuses is taken back."""
    before, content = held(settings), newest(settings)
    if not is_pair(content):
        raise CertificateError(f"{settings.live} holds a key that is not its certificate's; nothing was changed")
    write_whole(settings.pair, content, MODE)
    tested = run("nginx", "-t", "-q")
    if tested.returncode:
        if before:
            write_whole(settings.pair, before, MODE)
        raise CertificateError(f"nginx refuses the new certificate; the old one stays: {tested.stderr.strip()}")
    publish(settings)
    if not runs(settings):
        return
    reloaded = run("systemctl", "reload", settings.unit)
    if reloaded.returncode:
        raise CertificateError(
            f"nginx could not be reloaded, so it serves the old certificate: {reloaded.stderr.strip()}"
        )
    wait_until_served(settings, content)


def runs(settings: Settings) -> bool:
    """Whether nginx runs."""
    return run("systemctl", "is-active", "--quiet", settings.unit).returncode == 0


def wait_until_served(settings: Settings, pair: str) -> None:
    """Return once nginx hands out the certificate of the pair."""
    wanted = fingerprint(pair)
    deadline = time.monotonic() + SERVED_SECONDS
    while served_fingerprint(settings) != wanted:
        if time.monotonic() > deadline:
            raise CertificateError(
                f"nginx does not serve the newest certificate within {SERVED_SECONDS:.0f} s;"
                f" journalctl --unit {settings.unit} says why, systemctl reload {settings.unit} tries again"
            )
        time.sleep(0.2)


def fingerprint(pem: str) -> str:
    """The first certificate of a PEM text as a number nobody can forge."""
    return run("openssl", "x509", "-noout", "-fingerprint", "-sha256", stdin=pem).stdout.strip()


def served_fingerprint(settings: Settings) -> str:
    """What nginx hands out for the first name."""
    words = ("-connect", f"127.0.0.1:{settings.https_port}", "-servername", settings.names[0])
    return fingerprint(run("openssl", "s_client", *words).stdout)


# --- metrics ---


def render(certificate: Certificate, last_run: Mapping[str, int]) -> str:
    """The metrics as node-exporter's textfile collector reads them."""
    rows = [
        (
            "expiry_timestamp_seconds",
            "When the certificate that nginx serves expires.",
            certificate.expires.timestamp(),
        ),
        ("placeholder", "Whether it is one that no authority signed.", int(certificate.self_signed)),
        ("names", "How many names it is for.", len(certificate.names)),
    ]
    if last_run:
        rows += [
            ("last_run_ok", "Whether the last attempt to have or renew it succeeded.", last_run["ok"]),
            ("last_run_timestamp_seconds", "When that was.", last_run["ended"]),
        ]
    return "".join(
        f"# HELP {PREFIX}_{name} {meaning}\n# TYPE {PREFIX}_{name} gauge\n{PREFIX}_{name} {value:.15g}\n"
        for name, meaning, value in rows
    )


def publish(settings: Settings, *, ok: bool | None = None) -> None:
    """Write the metrics file; without an outcome the last one stays."""
    target = settings.textfile / "certificate.prom"
    present = target.read_text(encoding="utf-8") if target.exists() else ""
    last_run = {"ok": int(ok), "ended": int(time.time())} if ok is not None else last_run_of(present)
    certificate = read_certificate(held(settings))
    if certificate is not None:
        write_whole(target, render(certificate, last_run), 0o644)


def last_run_of(text: str) -> dict[str, int]:
    """The outcome that an earlier metrics file holds."""
    found = dict(re.findall(rf"^{PREFIX}_(last_run_\w+) (\S+)$", text, re.MULTILINE))
    if not found:
        return {}
    return {"ok": int(found["last_run_ok"]), "ended": int(float(found["last_run_timestamp_seconds"]))}


# --- command line ---


@contextmanager
def alone() -> Iterator[None]:
    """Wait for the timer's run or the operator's to end."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> int:
    """Run one command; the last line says whether something changed, as JSON."""
    parser = argparse.ArgumentParser(prog="platform-certificate", description=__doc__)
    parser.add_argument("command", choices=["placeholder", "ensure", "renew", "deploy", "metrics"])
    parser.add_argument("--check", action="store_true", help="say what would be done, change nothing")
    parser.add_argument("--force", action="store_true", help="renew although it is not due")
    chosen = parser.parse_args(arguments)
    settings = read_settings(DECLARATION)
    done = ""
    try:
        match chosen.command:
            case "placeholder":
                done = placeholder(settings, check=chosen.check)
            case "ensure" | "renew" if not chosen.check:
                done = _asking(settings, chosen)
            case "ensure":
                done = ensure(settings, check=True)
            case "deploy":
                deploy(settings)
            case "metrics":
                publish(settings)
    except CertificateError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"changed": bool(done), "done": done}))
    return 0


def _asking(settings: Settings, chosen: argparse.Namespace) -> str:
    with alone():
        try:
            done = "renewed if due" if chosen.command == "renew" else ensure(settings, check=False)
            if chosen.command == "renew":
                renew(settings, force=chosen.force)
        except CertificateError:
            publish(settings, ok=False)
            raise
        if done or not (settings.textfile / "certificate.prom").exists():
            publish(settings, ok=True)
        return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
