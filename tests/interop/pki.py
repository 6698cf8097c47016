"""A throw-away certificate authority for mutual TLS on loopback."""

import datetime as dt
from ipaddress import IPv4Address
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@frozen
class Certificates:
    """Where the files are. `wrong_certificate` is valid and of no client."""

    authority: Path
    client_certificate: Path
    client_key: Path
    wrong_certificate: Path
    wrong_key: Path


def issue(folder: Path) -> Certificates:
    """Write ca.pem and, for the server and two clients, NAME.pem and NAME.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate_of("test-ca", key, key, None)
    write(folder / "ca.pem", authority)
    for name in ("server", "client", "wrong"):
        own = ec.generate_private_key(ec.SECP256R1())
        write(folder / f"{name}.pem", certificate_of(name, own, key, authority))
        write(folder / f"{name}.key", own)
    return Certificates(
        authority=folder / "ca.pem",
        client_certificate=folder / "client.pem",
        client_key=folder / "client.key",
        wrong_certificate=folder / "wrong.pem",
        wrong_key=folder / "wrong.key",
    )


def write(path: Path, value: x509.Certificate | ec.EllipticCurvePrivateKey) -> None:
    pem = serialization.Encoding.PEM
    if isinstance(value, x509.Certificate):
        path.write_bytes(value.public_bytes(pem))
        return
    form = serialization.PrivateFormat.PKCS8
    path.touch(mode=0o600)
    path.write_bytes(value.private_bytes(pem, form, serialization.NoEncryption()))


def certificate_of(
    name: str,
    own: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signs = authority is None
    usage = x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
        # The key usage and key identifiers are what Python 3.13 began to insist on.
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not signs:
        names = [x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(
            x509.SubjectAlternativeName(names), critical=False
        ).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256())
