"""An authorization server on loopback with TLS, in a process of its own: quick, and no more.

It approves a device code half a second after it gave it; its interval is one second.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs

APPROVED_AFTER = 0.5
INTERVAL = 1
CODES: dict[str, float] = {}
NUMBERS = count()
COUNTS = {"device": 0, "poll": 0, "early": 0}
LOCK = threading.Lock()


class Endpoint(BaseHTTPRequestHandler):
    """Answers; under ``/x`` is what MSAL wants to find."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        base = f"https://127.0.0.1:{self.server.server_port}/x"
        told = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "device_authorization_endpoint": f"{base}/device",
        }
        self._tell(200, COUNTS if self.path == "/counts" else told)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        if self.path.endswith("/device"):
            self._device()
        elif "device_code" in form:
            self._poll(form["device_code"][0])
        else:
            self._token()

    def _device(self) -> None:
        code = f"dc-{next(NUMBERS)}"
        CODES[code] = time.monotonic()
        with LOCK:
            COUNTS["device"] += 1
        told = {
            "device_code": code,
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://127.0.0.1/go",
            "expires_in": 600,
            "interval": INTERVAL,
        }
        self._tell(200, told)

    def _poll(self, code: str) -> None:
        early = time.monotonic() - CODES[code] < APPROVED_AFTER
        with LOCK:
            COUNTS["early" if early else "poll"] += 1
        if early:
            self._tell(400, {"error": "authorization_pending"})
        else:
            self._token()

    def _token(self) -> None:
        told = {"access_token": f"at-{next(NUMBERS)}", "token_type": "Bearer", "expires_in": 3600}
        self._tell(200, told)

    def _tell(self, status: int, told: dict[str, object] | dict[str, int]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Listener(ThreadingHTTPServer):
    """One thread for each connection; the handshake is the thread's."""

    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients may go."""


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key, good for a day."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(public, critical=False)
        .sign(key, hashes.SHA256())
    )
    shown, hidden = folder / "certificate.pem", folder / "key.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    hidden.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return shown, hidden


@contextmanager
def started() -> Iterator[tuple[str, str]]:
    """Run a server, and give its URL and the file of its certificate."""
    with tempfile.TemporaryDirectory() as folder:
        shown, hidden = certificate(Path(folder))
        server = subprocess.Popen(
            [sys.executable, __file__, str(shown), str(hidden)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            yield f"https://127.0.0.1:{port}", str(shown)
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    """Serve until the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    listener = Listener(("127.0.0.1", 0), Endpoint)
    listener.socket = context.wrap_socket(
        listener.socket, server_side=True, do_handshake_on_connect=False
    )
    print(listener.server_port, flush=True)
    listener.serve_forever()


if __name__ == "__main__":
    main()
