"""A certificate for a service that is to speak TLS: made when it starts, gone when it has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.catalog import TLS, Service

LIFE = timedelta(days=7)  # longer than any run
IN_CONTAINER = "/run/tls"


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its key, by the variables that tell a service of them.

    `text` is the certificate's, by which a client verifies it. Where a service speaks plain HTTP
    there is none of all that.
    """

    files: dict[str, str] = field(default_factory=dict)
    text: str = ""


@contextmanager
def made(service: Service) -> Iterator[Certificate]:
    """A new one for `service` in a temporary folder, where it is to speak TLS."""
    if service.transport != TLS:
        yield Certificate()
        return
    key, text = signed("localhost", service.name, address="127.0.0.1")
    with TemporaryDirectory(prefix="waiting-services-") as folder:
        files = {}
        for variable, content in (("TLS_CERTIFICATE", text), ("TLS_KEY", key)):
            file = Path(folder, f"{variable.lower()}.pem")
            file.write_text(content, encoding="ascii")
            file.chmod(0o644)  # a container's user reads it; the folder is this user's alone
            files[variable] = str(file)
        yield Certificate(files, text)


def signed(*names: str, address: str) -> tuple[str, str]:
    """A new key, on P-256, and a certificate for these names that it signs itself; both as PEM."""
    # Here, as only a run with TLS needs it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[-1])])
    others: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    others.append(x509.IPAddress(ip_address(address)))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    return secret.decode(), certificate.public_bytes(pem).decode()


def in_container(certificate: Certificate, name: str) -> list[Path]:
    """Files for Compose beside compose.yaml: the certificate for `name`; none without one."""
    if not certificate.files:
        return []
    there = {variable: f"{IN_CONTAINER}/{variable.lower()}.pem" for variable in certificate.files}
    about = {
        "environment": there,
        "volumes": [
            {"type": "bind", "source": file, "target": there[variable], "read_only": True}
            for variable, file in certificate.files.items()
        ],
        "healthcheck": {"disable": True},  # it asks without TLS
    }
    written = Path(certificate.files["TLS_KEY"]).with_name("compose.json")
    written.write_text(json.dumps({"services": {name: about}}), encoding="utf-8")
    return [written]
