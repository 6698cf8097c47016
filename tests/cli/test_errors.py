"""What people get wrong: one clear line each, the right exit code, no traceback, no secret."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow import Secret, StoreError
from grantflow.__main__ import main
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.stores import PrivateFile
from tests.interop.pki import issue
from tests.support.cli_stage import ISSUER, Stage

SECRET = "hunter2hunter2"
ROBOT = ("--client-id", "robot", "--grant", "client_credentials")
ENDPOINTS = (f"--device-endpoint={ISSUER}/device", f"--token-endpoint={ISSUER}/token")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        ((), "--issuer URL"),
        (("--issuer", ISSUER, "--client-id", " "), "--client-id is missing"),
        (("--issuer", "http://as.example", "--client-id", "a"), "--issuer: must be https"),
        (("--issuer", "as.example", "--client-id", "a"), "--issuer: must be an absolute https"),
        (("--issuer", "https://[", "--client-id", "a"), "--issuer: is not a URL"),
        (("--issuer", "", "--client-id", "a"), "--issuer: must be"),
        (("--issuer", ISSUER, *ENDPOINTS, "--client-id", "a"), "exclude each other"),
        ((ENDPOINTS[0], "--client-id", "a"), "--token-endpoint is missing"),
        ((ENDPOINTS[1], "--client-id", "a"), "--device-endpoint is missing"),
        (
            ("--token-endpoint", "http://as.example/token", *ROBOT),
            "--token-endpoint: must be https",
        ),
        (
            ("--device-endpoint", "http://as.example/d", ENDPOINTS[1], "--client-id", "a"),
            "--device-endpoint: must be https",
        ),
        (("--issuer", ISSUER, "--client-id", "a", "--param", "prompt"), "NAME=VALUE"),
        (("--issuer", ISSUER, "--client-id", "a", "--param", "=x"), "NAME=VALUE"),
        (("--param", f"client_secret={SECRET}"), "never an argument"),
        (("--param", "scope=x"), "use --scope"),
        (("--issuer", ISSUER, "--client-id", "a", "--timeout", "soon"), "is not a duration"),
        (("--issuer", ISSUER, "--client-id", "a", "--timeout", "-1"), "is not a duration"),
        (("--issuer", ISSUER, "--client-id", "a", "--timeout", "0"), "above zero"),
        (("--issuer", ISSUER, "--client-id", "a", "--timeout", "nan"), "is not a duration"),
        (("--issuer", ISSUER, "--client-id", "a", "--timeout", "1e99"), "is not a duration"),
        (("--client-auth", "kerberos"), "client_secret_basic_raw"),
        (("--grant", "implicit"), "client_credentials"),
        (("--issuer", ISSUER, "--client-id", "a", "--profile", "a b"), "letters, digits"),
        (("--issuer", ISSUER, "--client-id", "a", "--profile", ""), "letters, digits"),
        (("--issuer", ISSUER, "--client-id", "a", "--profile=-a"), "letters, digits"),
        (("--token-stdin",), "--profile NAME"),
        (("--token-stdin", "--profile", "ci"), "standard input is empty"),
        (("--token-stdin", "--profile", "c", "--client-secret-file", "-"), "only once"),
        (
            ("--issuer", ISSUER, *ROBOT, "--client-secret-file", "-"),
            "standard input is empty",
        ),
        (
            ("--issuer", ISSUER, *ROBOT, "--client-auth=none", "--client-secret-file=x"),
            "exclude each other",
        ),
    ],
)
def test_a_wrong_login_is_usage(stage: Stage, argv: tuple[str, ...], hint: str) -> None:
    ran = stage.run("login", *argv)
    assert ran.code == 2
    assert hint in ran.complaint()
    assert SECRET not in ran.err


def test_a_secret_that_is_not_there_is_usage(stage: Stage) -> None:
    stage.monkeypatch.delenv("GRANTFLOW_CLIENT_SECRET")
    stage.plays()
    ran = stage.run("login", "--issuer", ISSUER, *ROBOT, "--client-auth", "client_secret_post")
    assert ran.code == 2
    assert "needs the client's secret" in ran.complaint()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\xfa", "folder"])
def test_a_secret_file_that_is_no_secret_is_usage(
    stage: Stage, content: bytes | str | None
) -> None:
    path = stage.folder / "secret.txt"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    ran = stage.run("login", "--issuer", ISSUER, *ROBOT, "--client-secret-file", "secret.txt")
    assert ran.code == 2
    assert "secret.txt" in ran.complaint()


@pytest.mark.parametrize("given", ["hunter2hunter2", "hunter2/hunter2hunter2", "x" * 300])
def test_a_secret_in_the_place_of_its_file_is_not_repeated(stage: Stage, given: str) -> None:
    ran = stage.run("login", "--issuer", ISSUER, *ROBOT, "--client-secret-file", given)
    assert ran.code == 2
    assert given not in ran.err
    assert "which is never an argument" in ran.complaint()
    assert ran.complaint().endswith("; check --client-secret-file")


@pytest.mark.parametrize("flag", ["--client-secret-file", "--client-key-file", "--token-stdin"])
def test_half_a_secret_is_none(stage: Stage, flag: str) -> None:
    long = "x" * (64 * 1024 + 1)
    (stage.folder / "long.txt").write_text(long)
    argv = ("login", "--issuer", ISSUER, *ROBOT, flag, "long.txt")
    if flag == "--token-stdin":
        argv = ("login", flag, "--profile", "ci")
    ran = stage.run(*argv, stdin=long)
    assert ran.code == 2
    assert "it holds more than 65536 characters" in ran.complaint()
    assert stage.tokens() == []


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ("--client-secret-file --client-assertion-file", "a client authenticates in one way"),
        ("--client-key-file --client-secret-file", "a client authenticates in one way"),
        ("--client-secret-file --client-auth=none", "--client-auth none and --client-secret-file"),
        ("--client-secret-file --client-auth=private_key_jwt", "--client-auth private_key_jwt and"),
        (
            "--client-key-file --client-auth=client_secret_post",
            "and --client-key-file exclude each other",
        ),
        (
            "--client-assertion-file --client-auth=none",
            "--client-assertion-file exclude each other",
        ),
    ],
)
def test_a_proof_that_would_not_be_used_is_usage(stage: Stage, flags: str, hint: str) -> None:
    (stage.folder / "proof.txt").write_text(SECRET)
    argv = [word for each in flags.split() for word in (each, "proof.txt")[: 2 - ("=" in each)]]
    ran = stage.run("login", "--issuer", ISSUER, *ROBOT, *argv)
    assert ran.code == 2
    assert hint in ran.complaint()


@contextmanager
def unprivileged(folder: Path, *, owns: Path | None = None) -> Iterator[None]:
    """Stop being root for a while, for root may read and write everything."""
    root = os.geteuid() == 0
    if root:
        if owns is not None:
            os.chown(owns, 65534, 65534)
        for each in (folder, *folder.parents):  # pytest's folders are for root alone
            if each.stat().st_uid == 0:
                each.chmod(each.stat().st_mode | 0o055)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_secret_file_of_somebody_else_is_usage(stage: Stage) -> None:
    path = stage.folder / "secret.txt"
    path.write_text(SECRET)
    path.chmod(0)
    with unprivileged(stage.folder):
        ran = stage.run("login", "--issuer", ISSUER, *ROBOT, "--client-secret-file", str(path))
    assert ran.code == 2
    assert "Permission denied" in ran.complaint()


def test_a_given_token_that_cannot_be_sent_is_usage(stage: Stage) -> None:
    argv = ("login", "--token-stdin", "--profile", "ci")
    ran = stage.run(*argv, stdin=f"{SECRET}\n{SECRET}")
    assert ran.code == 2
    assert "characters that no token has" in ran.complaint()
    assert SECRET not in ran.err


def test_an_unknown_profile_is_usage(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "work", stdin="at-1")
    for command in ("token", "status", "logout"):
        ran = stage.run(command, "wrok")
        assert ran.code == 1
        where = f"grantflow: no profile 'wrok' in {stage.home}"
        assert ran.complaint() == f"{where}; did you mean 'work'?"


def test_a_closed_standard_input_is_told(stage: Stage) -> None:
    for argv in (("--token-stdin", "--profile", "ci"), ("--client-secret-file", "-")):
        stage.monkeypatch.setattr("sys.stdin", None)
        code = main(["login", "--issuer", ISSUER, "--client-id", "a", *argv])
        assert code == 2
        assert "it is closed" in stage.said()


LINES = {
    ("stauts",): "unknown command 'stauts'; did you mean 'status'?",
    ("frobnicate",): "unknown command 'frobnicate'; see grantflow --help",
    ("--json", "list"): "unknown flag '--json'; flags come after a command",
    ("help", "tokn"): "unknown command 'tokn'; did you mean 'token'?",
    ("list", "--jsno"): "unknown flag '--jsno'; did you mean '--json'?",
    ("list", "extra"): "unexpected argument 'extra'; see grantflow list --help",
    ("token", "ci", "extra"): "unexpected argument 'extra'; see grantflow token --help",
    ("token", "--format"): "--format: expected one argument; see grantflow token --help",
    ("token", "--format", "yaml"): (
        "--format: unknown value 'yaml'; it is one of text, json, header, headers-json, "
        "kubernetes, git-credential, docker-credential; see grantflow token --help"
    ),
    ("token", "--min-ttl", "soon"): (
        "--min-ttl: 'soon' is not a duration such as 90, 90s, 5m or 2h; see grantflow token --help"
    ),
    ("token", "--host", "a.example"): "--host is for --format git-credential",
    ("run", "make"): "the command comes after --; for example: grantflow run -- ./deploy.sh",
    ("run", "--env", "1A", "--", "make"): (
        "--env: the name of a variable is needed, not '1A'; see grantflow run --help"
    ),
    ("completion",): "SHELL is missing; it is one of bash, zsh, tcsh, fish, powershell",
    ("completion", "nosuch"): (
        "SHELL: unknown value 'nosuch'; it is one of bash, zsh, tcsh, fish, powershell; "
        "see grantflow completion --help"
    ),
    ("completion", "fosh"): (
        "SHELL: unknown value 'fosh'; did you mean 'fish'?; see grantflow completion --help"
    ),
    ("login",): (
        "no provider is given; name a PROVIDER (grantflow providers lists them), or give "
        "--issuer URL, or --device-endpoint URL and --token-endpoint URL"
    ),
    ("login", "--client-secret", SECRET): (
        "--client-secret: a secret is never an argument; use --client-secret-file, --token-stdin, "
        "or set GRANTFLOW_CLIENT_SECRET"
    ),
    ("logout", "--all", "ci"): "--all and a profile exclude each other",
    ("serve", "--port", "http"): (
        "--port: a port from 0 to 65535 is needed, not 'http'; see grantflow serve --help"
    ),
    ("demo", "now"): "unexpected argument 'now'; see grantflow demo --help",
}
"""Every wrong word, and the whole line that answers it."""


@pytest.mark.parametrize("argv", LINES)
def test_a_wrong_command_line_is_answered_in_one_line(stage: Stage, argv: tuple[str, ...]) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    ran = stage.run(*argv)
    assert ran.code == 2
    # Since 3.12 argparse quotes choices no more.
    assert ran.complaint().replace("'", "") == f"grantflow: {LINES[argv]}".replace("'", "")


# -- the network


def login(stage: Stage, issuer: str, *more: str) -> str:
    ran = stage.run("login", "--issuer", issuer, *ROBOT, *more)
    assert ran.code == 1
    assert SECRET not in ran.err
    return ran.complaint()


@contextmanager
def closed_port() -> Iterator[str]:
    """A port that is ours, and on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_a_closed_port(stage: Stage) -> None:
    with closed_port() as issuer:
        complaint = login(stage, issuer)
    assert f"{issuer}: no connection to the server: connection refused" in complaint
    assert "check the address" in complaint


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        (Response(200, {}, b"<html>"), "metadata: HTML"),
        (Response(404, {}, b"<html>"), "HTTP 404; check --issuer"),
        (Response(302, {"Location": "https://x.example"}, b""), "HTTP 302"),
        (Response(200, {}, b'{"issuer": "https://evil.example\\u001b[31m"}'), "metadata: "),
        (Response(200, {}, b'{"issuer": "https://server.test/"}'), "token_endpoint is missing"),
        (Fault("name", "no", "server.test"), "could not be resolved: server.test; check"),
        (Fault("timeout", "no"), "did not answer in time"),
        (
            Fault("tls", "no", "wrong version number"),
            "; this is not an https server: check the add",
        ),
        (Fault("too_large", "maybe"), "too large"),
    ],
)
def test_a_server_that_is_none(stage: Stage, reply: Response | Fault, hint: str) -> None:
    stage.plays()
    stage.answers_with(lambda request: reply)
    complaint = login(stage, ISSUER)
    assert hint in complaint
    assert f"{ISSUER}: " in complaint
    assert "\x1b" not in complaint


def test_html_from_the_token_endpoint(stage: Stage) -> None:
    stage.plays()
    stage.answers_with(lambda request: Response(200, {}, b"<html><body>Welcome"))
    ran = stage.run("login", "--token-endpoint", f"{ISSUER}/token", *ROBOT)
    assert ran.code == 1
    assert "HTML" in ran.complaint()
    assert "Welcome" not in ran.err


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Response(404, {}, b"<html>"), "HTTP 404"),
        (Response(400, {}, b'{"error": "invalid_scope"}'), "the server refused: invalid_scope"),
        (Fault("name", "no", "server.test"), "the server's name could not be resolved"),
    ],
)
@pytest.mark.parametrize("end", ["device", "token"])
@pytest.mark.parametrize("start", [(), ("--start",)])
def test_a_failure_is_told_of_the_endpoint_that_was_asked(
    stage: Stage, reply: Response | Fault, said: str, end: str, start: tuple[str, ...]
) -> None:
    stage.plays()

    def answers(request: Request) -> Reply:
        return reply if request.url.endswith(f"/{end}") else stage.transport(request)

    stage.answers_with(answers)
    ran = stage.run("login", *ENDPOINTS, "--client-id", "app", "--client-auth", "none", *start)
    if start and end == "token":
        assert ran.code == 0
        ran = stage.run("login", "--finish")
    assert ran.code == 1
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"grantflow: {ISSUER}/{end}: ")
    assert said in last


def test_a_renewal_that_fails_is_told_of_the_token_endpoint(stage: Stage) -> None:
    stage.plays()
    argv = ("login", "--issuer", ISSUER, *ROBOT)
    assert stage.run(*argv).code == 0
    stage.clock.advance(timedelta(days=1))
    stage.answers_with(lambda request: Response(404, {}, b"<html>"))
    ran = stage.run("token")
    assert ran.code == 1
    assert f"grantflow: {ISSUER}/token: invalid response from the server" in ran.err


def test_a_query_of_an_endpoint_is_not_repeated(stage: Stage) -> None:
    stage.plays()
    stage.answers_with(lambda request: Response(404, {}, b"<html>"))
    ends = ("--device-endpoint", f"{ISSUER}/device?key={SECRET}", ENDPOINTS[1])
    ran = stage.run("login", *ends, "--client-id", "app", "--client-auth", "none")
    assert ran.complaint().startswith(f"grantflow: {ISSUER}/device: ")
    assert SECRET not in ran.err


def test_a_server_that_echoes_the_secret(stage: Stage) -> None:
    stage.plays()
    body = f'{{"error": "invalid_client", "error_description": "wrong: {SECRET}"}}'.encode()
    stage.answers_with(lambda request: Response(401, {}, body))
    argv = ("--token-endpoint", f"{ISSUER}/token", *ROBOT, "--client-auth", "client_secret_post")
    ran = stage.run("login", *argv)
    assert ran.code == 1
    assert "invalid_client (wrong: ***); check the client id" in ran.complaint()
    assert SECRET not in ran.err


def test_an_issuer_without_the_device_grant(stage: Stage) -> None:
    stage.plays()
    body = f'{{"issuer": "{ISSUER}", "token_endpoint": "{ISSUER}/token"}}'.encode()
    stage.answers_with(lambda request: Response(200, {}, body))
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app")
    assert ran.code == 1
    assert "has no device grant" in ran.complaint()


@contextmanager
def tls_server(certificate: Path, key: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler, bind_and_activate=True
    )
    # The handshake happens where the connection is handled; what fails there is the point.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.handle_error = lambda request, address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_certificate_of_an_unknown_authority(stage: Stage) -> None:
    issue(stage.folder)
    certificate, key = stage.folder / "server.pem", stage.folder / "server.key"
    for bundle in (None, stage.folder / "wrong.pem"):
        if bundle is not None:
            stage.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with tls_server(certificate, key) as issuer:
            complaint = login(stage, issuer)
        assert "the server's certificate was not accepted" in complaint
        assert "REQUESTS_CA_BUNDLE" in complaint


def test_a_bundle_of_certificates_that_is_not_there(stage: Stage) -> None:
    stage.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stage.folder / "none.pem"))
    complaint = login(stage, "https://127.0.0.1:9")
    assert "none.pem" in complaint
    assert "set REQUESTS_CA_BUNDLE to a file that exists" in complaint


def test_a_bundle_of_certificates_that_is_none(stage: Stage) -> None:
    issue(stage.folder)
    bundle = stage.folder / "bundle.pem"
    bundle.write_text("this is no certificate")
    stage.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with tls_server(stage.folder / "server.pem", stage.folder / "server.key") as issuer:
        complaint = login(stage, issuer)
    assert "REQUESTS_CA_BUNDLE" in complaint


# -- the files


@pytest.mark.parametrize("argv", [("token",), ("list",), ("logout",), ("status",)])
def test_a_home_that_is_no_folder(stage: Stage, argv: tuple[str, ...]) -> None:
    stage.home.write_text("this is a file")
    ran = stage.run(*argv)
    assert ran.code == 1
    assert "GRANTFLOW_HOME" in ran.complaint()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.parametrize("how", ["file", "locked"])
def test_a_home_that_cannot_be_written_is_known_before_a_person_is_asked(
    stage: Stage, how: str
) -> None:
    stage.plays()
    if how == "file":
        stage.home.mkdir()
        (stage.home / "tokens").write_text("this is a file")
    else:
        stage.home.mkdir(mode=0o500)
    with unprivileged(stage.folder):
        ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--client-auth", "none")
    assert ran.code == 1
    assert "GRANTFLOW_HOME" in ran.complaint()
    assert "device" not in stage.counts


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_where_nothing_can_be_written_no_refresh_token_is_spent(stage: Stage) -> None:
    """Its lock is there from before, so the lock alone would not tell."""
    stage.plays()
    stage.login()
    tokens = stage.home / "tokens"
    for each in (stage.home, tokens, *stage.home.glob("*"), *tokens.glob("*")):
        os.chown(each, 65534 if os.geteuid() == 0 else -1, -1)
    tokens.chmod(0o500)
    stage.clock.advance(timedelta(hours=2))
    with unprivileged(stage.folder):
        ran = stage.run("token")
        out = stage.run("logout", "--all")
    assert (ran.code, out.code) == (3, 1)
    assert f"nothing can be written into {tokens}" in ran.err
    [said] = out.err.splitlines()
    assert said.startswith(f"grantflow: nothing can be written into {tokens}; check the directory")
    assert stage.counts.keys().isdisjoint({"refresh", "revoke"})
    tokens.chmod(0o700)
    for each in (stage.home, tokens, *stage.home.glob("*"), *tokens.glob("*")):
        os.chown(each, os.geteuid(), -1)
    assert stage.run("token").code == 0
    assert stage.counts["refresh"] == 1


def test_a_full_disk_after_the_sign_in(stage: Stage) -> None:
    stage.plays()

    def full(file: PrivateFile, data: bytes | Secret) -> None:
        raise StoreError(f"cannot write {file}: No space left on device")

    stage.monkeypatch.setattr(PrivateFile, "write", full)
    argv = ("login", "--issuer", ISSUER, "--client-id", "app", "--client-auth", "none", "--json")
    ran = stage.run(*argv)
    assert ran.code == 1
    assert ran.events[-1]["error"] == "store"
    assert "No space left on device" in ran.err.splitlines()[-1]


@pytest.mark.parametrize("port", ["taken", "-1"])
def test_a_port_that_cannot_be_served(stage: Stage, port: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        number = str(held.getsockname()[1]) if port == "taken" else port
        ran = stage.run("serve", "--port", number)
    assert ran.code == (1 if port == "taken" else 2)
    assert "port" in ran.complaint()


TOKENS = (
    "SECRETVALUE",
    "hunter2hunter2",
    "gho_aaaaaaaa",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    "glpat-abcdefgh",
    "2YotnFZFEjr1zCsicMWpAA",
    "d6f1c4be-7c1e-4f3b-9a0e-1f8c2d5b6a79",
    "correcthorsebatterystaple",
    "x" * 70,
    "two words\x1b[31m of4secrets",
)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "argv",
    [
        ("token",),
        ("token", "ci"),
        ("status",),
        ("logout",),
        ("doctor",),
        ("run",),
        ("default",),
        ("providers",),
        ("login",),
        ("login", "--finish", "--profile"),
        ("list",),
        ("completion",),
        ("token", "--min-ttl"),
        ("token", "--format"),
        (),
    ],
)
def test_a_secret_where_a_name_belongs_is_not_repeated(
    stage: Stage, argv: tuple[str, ...], token: str
) -> None:
    for there_is_one in (False, True):
        if there_is_one:
            stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
        ran = stage.run(*argv, token, *(("--", "true") if argv == ("run",) else ()))
        assert ran.code in (1, 2)
        assert "not repeated: it looks like a secret" in ran.complaint()
        assert token not in ran.err
        assert token[:20] not in ran.err


@pytest.mark.parametrize(
    "name", ["wrok", "Work", "login.example.com-2", "prod-eu-west-1", "CI", "my_app-2026"]
)
def test_a_name_is_repeated(stage: Stage, name: str) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    assert f"no profile '{name}' in {stage.home}" in stage.run("token", name).complaint()


def test_a_token_behind_a_flag_that_takes_none_is_not_repeated(stage: Stage) -> None:
    ran = stage.run("login", f"--token-stdin={SECRET}", "--profile", "work")
    assert ran.code == 2
    assert "--token-stdin takes no value" in ran.err
    assert SECRET not in ran.err + ran.out
