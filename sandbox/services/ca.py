"""The sandbox's certificate authority, made when first needed; its key never leaves the sandbox's folder."""

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.state import State

_YEARS = datetime.timedelta(days=3650)
_CA_USAGE = x509.KeyUsage(
    key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip


def ca_file(home: Home) -> Path:
    """The certificate that clients of the sandbox's services trust."""
    return home.services / "ca" / "ca.crt"


def ensure(home: Home) -> Path:
    """Make the authority unless it is there; returns its certificate."""
    with State(home).locked("ca"):
        _authority(home)
    return ca_file(home)


def issue(home: Home, address: str, certificate: Path, key: Path) -> None:
    """Write a server certificate for an address, with its key, unless it is there."""
    if certificate.exists():
        return
    with State(home).locked("ca"):
        ca_certificate, ca_key = _authority(home)
    server_key = ec.generate_private_key(ec.SECP256R1())
    signed = (
        _builder(address)
        .issuer_name(ca_certificate.subject)
        .public_key(server_key.public_key())
        .add_extension(
            # As a name too: some clients, pgBackRest among them, compare names only.
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(address)]),
            critical=False,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(key, server_key)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _authority(home: Home) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file = ca_file(home)
    key_file = certificate_file.with_suffix(".key")
    if certificate_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SandboxError(f"{key_file} is not the key this sandbox made; remove the sandbox with: make down")
        return x509.load_pem_x509_certificate(certificate_file.read_bytes()), key
    certificate_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("Supabase platform sandbox CA")
    certificate = (
        builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Supabase platform sandbox CA")]))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_CA_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _builder(common_name: str) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _YEARS)
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(pem)
