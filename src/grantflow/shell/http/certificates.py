"""A client's certificate for TLS (RFC 8705), looked at before anything is sent."""

from __future__ import annotations

import ssl

from grantflow.core.values.request import Certificate
from grantflow.core.values.response import Fault


def unusable(certificate: Certificate) -> Fault | None:
    """Say what is wrong with the files while it is certain that nothing was sent."""
    names = (certificate.certificate, certificate.key or certificate.certificate)
    for name in names:
        try:
            with open(name, "rb"):  # OpenSSL does not tell which of the two
                pass
        except OSError as error:
            reason = (error.strerror or "cannot be read").lower()
            return Fault("other", "no", f"the client's certificate: {name}: {reason}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*names, password="")
    except OSError:
        pair = " and ".join(dict.fromkeys(names))
        detail = f"{pair}: no certificate with its key, in PEM without a password"
        return Fault("tls", "no", f"the client's certificate: {detail}")
    return None


def present(certificate: Certificate, context: ssl.SSLContext) -> None:
    """Let ``context`` show a certificate that is usable."""
    context.load_cert_chain(certificate.certificate, certificate.key, password="")
