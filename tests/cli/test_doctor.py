"""``grantflow doctor``: every trouble is seen and told apart, and nothing is touched."""

from __future__ import annotations

import http.server
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from grantflow.cli.doctor import Finding, environment, files, network, signin
from grantflow.cli.profiles.status import Status
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.token import Token
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles
from grantflow.testing import Script, serve
from tests.cli.test_errors import closed_port, tls_server, unprivileged
from tests.cli.test_process import POSIX
from tests.interop import pki
from tests.support.cli_stage import ISSUER, Ran, Stage

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTINGS = (
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    *("NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return Stage(tmp_path, monkeypatch, capsys)


def findings(ran: Ran) -> list[Finding]:
    return [Finding(**each) for each in json.loads(ran.out)["checks"]]


def problems(stage: Stage, *argv: str) -> list[Finding]:
    """Examine; the exit code says whether there is a problem, and each says what to do."""
    ran = stage.run("doctor", "--json", *argv)
    found = [each for each in findings(ran) if each.level == "problem"]
    assert ran.code == (1 if found else 0)
    assert json.loads(ran.out)["well"] is not found
    assert all(each.advice for each in found)
    return found


def problem(stage: Stage, *argv: str) -> Finding:
    [found] = problems(stage, *argv)
    return found


def given(stage: Stage, *where: str, token: str = "at-hunter2") -> None:
    argv = ("login", "--token-stdin", "--profile", "ci", *where)
    assert stage.run(*argv, stdin=token).code == 0


# -- all is well


def test_all_is_well(stage: Stage) -> None:
    stage.plays()
    stage.login("--scope", "read")
    ran = stage.run("doctor")
    assert (ran.code, ran.err) == (0, "No problems.\n")
    assert "problem" not in ran.out
    for check in ("folder", "file", "lock", "profiles", "sign-in", "network"):
        assert f"\nok       {check} " in f"\n{ran.out}"
    assert stage.run("doctor") == ran


def test_where_nobody_signed_in_nothing_is_wrong(stage: Stage) -> None:
    ran = stage.run("doctor")
    assert ran.code == 0
    assert "no profiles" in ran.out
    assert not stage.home.exists()


def test_without_a_home_directory_the_rest_is_examined(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", "~nobody-of-this-name/x")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert problem(stage).advice == "set HOME, or GRANTFLOW_HOME, to a directory"
    assert "https uses the proxy" in stage.run("doctor").out


def test_a_profile_may_be_named_and_must_be_there(stage: Stage) -> None:
    given(stage)
    assert problems(stage, "ci") == []
    ran = stage.run("doctor", "cii")
    assert ran.code == 1
    assert ran.complaint() == f"grantflow: no profile 'cii' in {stage.home}; did you mean 'ci'?"


def test_without_a_default_profile_all_are_looked_at(stage: Stage) -> None:
    stage.plays()
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    given(stage)
    stage.run("logout", "ci")
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN_TWO", "at-hunter2")
    ran = stage.run("doctor", "--json")
    assert json.loads(ran.out)["profile"] is None
    said = "there is no default profile"
    assert Finding("profiles", "note", said, "set it with grantflow default NAME") in findings(ran)
    signed_in = [each.message for each in findings(ran) if each.check == "sign-in"]
    assert [each.partition(":")[0] for each in signed_in] == ["one", "two"]
    assert [each.check for each in findings(ran)].count("network") == 1
    assert any("it overrides profile two" in each.message for each in findings(ran))
    for path in (stage.home / "tokens").glob("*.json"):
        path.unlink()
    assert [each.message for each in problems(stage)] == [
        "one: there is no token",
        "two: there is no token",
    ]
    assert stage.run("default", "one").code == 0
    assert [each.message for each in problems(stage)] == ["one: there is no token"]


def test_providers_of_ones_own_are_read(stage: Stage) -> None:
    given(stage)
    path = stage.home / "providers.toml"
    path.write_text('[acme]\ntoken_endpoint = "https://a.example/t"\n')
    path.chmod(0o600)
    assert f"providers     {path} is valid" in stage.run("doctor").out
    path.write_text("[acme]\nlike = 5\n")
    found = problem(stage)
    assert found.check == "providers"
    assert found.message.startswith(f"{path}, line 2: [acme] ")
    assert "correct it" in found.advice


def test_a_home_that_is_relative_is_told(stage: Stage) -> None:
    stage.monkeypatch.chdir(stage.folder)
    stage.monkeypatch.setenv("GRANTFLOW_HOME", "here")
    given(stage)
    ran = stage.run("doctor")
    assert ran.code == 0
    assert "GRANTFLOW_HOME is relative: it depends on the working directory" in ran.out


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
        if path.suffix != ".lock"
    }


@POSIX
def test_looking_changes_nothing_and_shows_no_secret(stage: Stage) -> None:
    stage.plays()
    stage.login()
    given(stage)
    secrets = [str(token[name]) for token in stage.tokens() for name in token if "_token" in name]
    [token, *_] = (stage.home / "tokens").glob("given-*.json")
    token.chmod(0o644)
    (stage.home / "tokens" / "torn.json").write_text('{"access_token": "at-hunter2')
    (stage.home / "profiles.json").write_text("at-hunter2")
    before = contents(stage.home)
    for argv in ((), ("--json",)):
        ran = stage.run("doctor", *argv)
        assert ran.code == 1
        assert not any(secret in ran.out + ran.err for secret in secrets)
    assert contents(stage.home) == before


# -- the files


@POSIX
def test_a_token_that_others_may_read(stage: Stage) -> None:
    given(stage)
    [path] = (stage.home / "tokens").glob("*.json")
    path.chmod(0o644)
    found = problem(stage)
    assert found.check == "file"
    assert found.message == f"other users can read {path} (mode 0644)"
    assert f"chmod 600 {path}" in found.advice
    os.system(found.advice.partition(";")[0])
    assert problems(stage) == []


@POSIX
@pytest.mark.parametrize("name", [".", "tokens"])
def test_a_folder_that_others_may_look_into(stage: Stage, name: str) -> None:
    given(stage)
    path = stage.home / name
    path.chmod(0o755)
    found = problem(stage)
    assert found.check == "folder"
    assert found.message == f"other users have access to {path} (mode 0755)"
    os.system(found.advice)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert problems(stage) == []


def test_a_home_that_is_no_folder(stage: Stage) -> None:
    stage.home.write_text("this is a file")
    assert "is not a directory" in problems(stage)[0].message


@POSIX
def test_a_token_behind_a_link(stage: Stage) -> None:
    given(stage)
    [path] = (stage.home / "tokens").glob("*.json")
    path.symlink_to(path.rename(stage.folder / "elsewhere"))
    assert any("a link is not followed" in each.message for each in problems(stage))


@POSIX
def test_a_started_sign_in_is_its_owner_s_alone(stage: Stage) -> None:
    stage.plays(Script())
    ran = stage.run("login", "--start", "--issuer", ISSUER, "--client-id", "app")
    assert ran.code == 0, ran.err
    assert [each.message for each in problems(stage)] == []
    [path] = (stage.home / "starts").glob("*.json")
    path.chmod(0o604)
    assert problem(stage).message == f"other users can read {path} (mode 0604)"


@POSIX
def test_a_user_s_own_providers_may_be_read_and_not_changed_by_others(stage: Stage) -> None:
    given(stage)
    path = stage.home / "providers.toml"
    path.touch()
    path.chmod(0o644)
    assert problems(stage) == []
    path.chmod(0o664)
    assert problem(stage).message == f"other users can change {path} (mode 0664)"


def test_a_damaged_token(stage: Stage) -> None:
    given(stage)
    [path] = (stage.home / "tokens").glob("*.json")
    path.write_text("{")
    damage, missing = problems(stage)
    assert damage.message == f"{path}: stored token: it is damaged"
    assert missing.message == "ci: there is no token"


def test_what_was_left_behind_is_noted(stage: Stage) -> None:
    given(stage)
    for name in ("a.json.tmp", "a.json.damaged-1"):
        (stage.home / "tokens" / name).touch(0o600)
    ran = stage.run("doctor", "--json")
    assert ran.code == 0
    notes = [each.message for each in findings(ran) if (each.check, each.level) == ("file", "note")]
    assert len(notes) == 2


@POSIX
@pytest.mark.parametrize(
    ("mode", "message"), [(0o701, "mode 0701"), (0o500, "is not writable"), (0o700, None)]
)
def test_a_directory_has_to_be_private_and_writable(
    tmp_path: Path, mode: int, message: str | None
) -> None:
    path = tmp_path / "it is here"
    path.mkdir()
    path.chmod(mode)
    with unprivileged(tmp_path, owns=path):
        [found] = files.check_folder(path)
    assert found.level == ("ok" if message is None else "problem")
    if message is not None:
        assert message in found.message
        assert f"chmod 700 '{path}'" in found.advice


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives away")
def test_what_belongs_to_another_user_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.touch(0o600)
    for path in (file, tmp_path):
        os.chown(path, 65534, 65534)
    [folder], [found] = files.check_folder(tmp_path), files.check_file(file)
    assert "chown" in folder.advice
    for each in (folder, found):
        assert "belongs to another user" in each.message


def test_a_file_has_to_be_a_file(tmp_path: Path) -> None:
    [found] = files.check_file(tmp_path)
    assert (found.level, "not a regular file" in found.message) == ("problem", True)
    assert list(files.check_file(tmp_path / "missing.json")) == []


# -- the locks

HOLDS = """
import sys, time
from pathlib import Path
from grantflow.shell.stores.file_lock import take
release = take(Path(sys.argv[1]), wait=True)
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def held_lock(path: Path) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@POSIX
def test_a_lock_that_is_held(stage: Stage) -> None:
    given(stage)
    [path] = (stage.home / "tokens").glob("*.lock")
    with held_lock(path) as pid:
        [note] = [each for each in findings(stage.run("doctor", "--json")) if each.check == "lock"]
        assert note.level == "note"
        assert f"is held by process {pid}" in note.message
        if sys.platform == "linux":
            assert "(python" in note.message
        an_hour_ago = time.time() - 3600
        os.utime(path, (an_hour_ago, an_hour_ago))
        found = problem(stage)
        assert found.check == "lock"
        assert found.message.startswith(f"{path} is held by process {pid}")
        assert found.message.endswith(" for 1 hour")
        assert f"kill {pid}" in found.advice
    assert problems(stage) == []


def test_a_lock_that_cannot_be_taken(stage: Stage) -> None:
    given(stage)
    path = stage.home / "profiles.json.lock"
    path.unlink()
    path.mkdir()
    found = problem(stage)
    assert found.check == "lock"
    assert f"no lock can be taken at {path}: Is a directory" in found.message
    assert "GRANTFLOW_HOME" in found.advice


# -- the profiles and the sign-in


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ("{}", "it has no profiles"),
        ('{"version": 2, "profiles": {}}', "written by a newer grantflow"),
    ],
)
def test_damaged_profiles(stage: Stage, text: str, said: str) -> None:
    given(stage)
    (stage.home / "profiles.json").write_text(text)
    found = problem(stage)
    assert found.check == "profiles"
    assert said in found.message


def test_a_damaged_profile_among_good_ones(stage: Stage) -> None:
    given(stage)
    document = stage.document()
    document["profiles"] = {
        **stage.profiles(),
        "torn": {"grant": "device", "client_id": "a"},
        "odd": 5,
        "http": {"grant": "device", "client_id": "a", "token_endpoint": "http://as.example/t"},
        "later": {
            "grant": "device",
            "client_id": "a",
            "token_endpoint": "https://as.example/t",
            "spelling": {"version": 2},
        },
    }
    (stage.home / "profiles.json").write_text(json.dumps(document))
    said = [each.message for each in problems(stage)]
    assert len(said) == 4
    assert "profile 'torn'" in said[0]
    assert "token_endpoint is missing" in said[0]
    assert "profile 'odd'" in said[1]
    assert "must be https" in said[2]
    assert "another version of grantflow" in said[3]
    ran = stage.run("doctor", "torn", "--json")
    assert [each.level for each in findings(ran) if each.check == "profiles"] == ["problem"] * 4


def sign_in(grant: str = "device", **token: object) -> Finding:
    profile = Profile(name="work", grant=grant, issuer=ISSUER, client_id="app")  # type: ignore[arg-type]
    stored = Token(access_token="at-1", **token) if token else None  # type: ignore[arg-type]
    return signin.check_sign_in(Status(profile, stored, NOW, default=True))


def test_sign_ins_are_judged() -> None:
    later, before = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
    assert sign_in(expires_at=later).message == "work: the token expires in 1 hour"
    assert sign_in(expires_at=None).message == "work: the token's expiry is unknown"
    renewed = sign_in(expires_at=before, refresh_token="rt")
    assert renewed == Finding(
        "sign-in", "ok", "work: the token expired 1 hour ago, and is refreshed automatically"
    )
    assert sign_in("client_credentials").level == "ok"
    for found in (sign_in(), sign_in(expires_at=before), sign_in("given")):
        assert found.level == "problem"
        assert found.advice.startswith("grantflow login ")


def secret(
    auth: str = "client_secret_post",
    file: str | None = None,
    *,
    set_: bool = False,
) -> Finding | None:
    made = Profile(
        name="robot", grant="client_credentials", client_auth=auth, client_secret_file=file
    )
    return next(signin.check_secret(made, in_environment=set_), None)


def test_secrets_are_judged() -> None:
    assert secret("none") is None
    lost = secret(file="/no/s.txt")
    for found, said in [
        (lost, "/no/s.txt: No such"),
        (secret(), "its client secret is missing"),
        (secret("kerberos"), "'kerberos' is unknown"),
    ]:
        assert found is not None
        assert found.level == "problem"
        assert said in found.message
        assert found.advice
    for found in (secret(set_=True), secret(file=__file__)):
        assert found is not None
        assert found.level == "ok"


def test_a_secret_file_that_is_gone(stage: Stage) -> None:
    stage.plays()
    (stage.folder / "secret.txt").write_text("s3cret-one")
    argv = ("--client-id", "robot", "--client-secret-file", "secret.txt")
    stage.run("login", "--issuer", ISSUER, *argv, "--grant", "client_credentials")
    assert problems(stage) == []
    (stage.folder / "secret.txt").unlink()
    found = problem(stage)
    assert found.check == "secret"
    assert "secret.txt: No such file or directory" in found.message


# -- the surroundings


def test_a_token_of_the_environment_is_noted(stage: Stage) -> None:
    given(stage)
    for name, whose in [("GRANTFLOW_TOKEN", "every profile"), ("GRANTFLOW_TOKEN_CI", "profile ci")]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, "at-from-outside")
            ran = stage.run("doctor", "--json")
        assert ran.code == 0
        assert "at-from-outside" not in ran.out
        said = f"{name} is set: it overrides {whose}, and is never refreshed"
        assert Finding("environment", "note", said, f"unset {name}, unless that is intended") in (
            findings(ran)
        )


def test_a_token_of_the_environment_that_is_none(stage: Stage) -> None:
    given(stage)
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "two\nlines")
    found = problem(stage)
    assert found.message == "GRANTFLOW_TOKEN holds characters that no token has"


def test_certificates_that_are_not_there(stage: Stage) -> None:
    given(stage)
    stage.monkeypatch.setenv("CURL_CA_BUNDLE", str(stage.folder / "none.pem"))
    found = problem(stage)
    assert found.check == "certificates"
    assert "none.pem, which does not exist" in found.message
    stage.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stage.folder))
    assert problems(stage) == []


@pytest.mark.parametrize(
    ("proxies", "level", "said"),
    [
        ({"https": "http://al:hunter2@p.example:3128"}, "note", "http://***@p.example:3128"),
        ({"https": "http://hunter2@[::1]:3128/x?hunter2"}, "note", "http://***@[::1]:3128"),
        ({"all": "socks5://p.example"}, "note", "all uses the proxy socks5://p.example"),
        ({"no": "localhost,.example"}, "note", "no proxy for localhost,.example"),
        ({"https": "http://hunter2:x@p.example:port"}, "problem", "https is not a URL"),
        ({"https": "http://hunter2@"}, "problem", "https is not a URL"),
    ],
)
def test_proxies_are_told_without_a_password(
    proxies: Mapping[str, str], level: str, said: str
) -> None:
    [found] = environment.check_proxies(proxies)
    assert found.level == level
    assert said in found.message
    assert "hunter2" not in f"{found}"


def test_this_machine_s_keyring_is_checked_if_a_profile_uses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    import keyring

    before = keyring.get_keyring()
    try:
        keyring.core.init_backend()
        assert list(environment.check_keyring(used=False)) == []
        [found] = environment.check_keyring(used=True)
    finally:
        keyring.set_keyring(before)
    assert found.level == "problem"
    assert "switched off" in found.message
    assert "--store file" in found.advice


# -- the network


@contextmanager
def lying_server(ahead: timedelta, **headers: str) -> Iterator[str]:
    """A server whose clock is wrong."""

    class Lies(http.server.BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(datetime.now(UTC) + ahead, usegmt=True)

        def do_GET(self) -> None:
            self.send_response(405)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lies) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_clock_that_is_wrong(stage: Stage) -> None:
    with lying_server(timedelta(minutes=3, seconds=10)) as url:
        given(stage, "--token-endpoint", f"{url}/token")
        found = problem(stage)
    assert found.check == "clock"
    assert found.message.startswith("this machine's clock is 3 minutes behind that of ")
    assert "timedatectl" in found.advice


def test_a_clock_that_is_right_and_an_answer_that_is_old(stage: Stage) -> None:
    with lying_server(timedelta(minutes=-5), Age="300") as url:
        given(stage, "--token-endpoint", f"{url}/token")
        ran = stage.run("doctor", "--json")
    assert ran.code == 0
    assert Finding("clock", "ok", f"clock in sync with {url}") in findings(ran)


def clock(ahead: timedelta, **headers: str) -> Finding | None:
    date = {"Date": format_datetime(NOW, usegmt=True)}
    reply = Response(405, date | headers, b"")
    return next(network.check_clock(ISSUER, reply, NOW + ahead), None)


@pytest.mark.parametrize(
    ("seconds", "level"), [(59, "ok"), (60, "problem"), (-59, "ok"), (-60, "problem")]
)
def test_a_minute_is_too_much(seconds: int, level: str) -> None:
    found = clock(timedelta(seconds=seconds))
    assert found is not None
    assert found.level == level
    if level == "problem":
        assert ("ahead of" if seconds > 0 else "behind") in found.message


def test_a_server_that_tells_no_time_is_not_judged() -> None:
    assert clock(timedelta(), Date="soon") is None
    assert list(network.check_clock(ISSUER, Fault("refused", "no"), NOW)) == []
    assert clock(timedelta(), Age="long") == clock(timedelta(), Age="-5") == clock(timedelta())


def test_a_port_that_refuses(stage: Stage) -> None:
    with closed_port() as url:
        given(stage, "--token-endpoint", f"{url}/token")
        found = problem(stage)
    assert found.check == "network"
    assert found.message == f"{url}: no connection to the server: connection refused"
    assert "check the address" in found.advice


def test_a_certificate_that_vouches_for_itself(stage: Stage) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    certificate, key = stage.folder / "self.pem", stage.folder / "self.key"
    pki.write(certificate, pki.certificate_of("self", own, own, None))
    pki.write(key, own)
    with tls_server(certificate, key) as url:
        given(stage, "--token-endpoint", f"{url}/token")
        found = problem(stage)
    assert found.check == "tls"
    assert found.message.startswith(f"{url}: the server's certificate was not accepted: self")
    assert "REQUESTS_CA_BUNDLE" in found.advice


def test_a_proxy_that_is_dead(stage: Stage) -> None:
    with closed_port() as url:
        proxy = url.replace("http://", "http://alice:hunter2@")
        stage.monkeypatch.setenv("HTTPS_PROXY", proxy)
        given(stage, "--token-endpoint", "https://as.example/token")
        ran = stage.run("doctor")
        found = problem(stage)
    shown = url.replace("http://", "http://***@")
    assert found.check == "network"
    place = url.removeprefix("http://")
    told = f"the proxy {place} did not connect: connection refused (through the proxy {shown})"
    assert found.message.endswith(told)
    assert f"check the proxy {shown}" in found.advice
    assert "hunter2" not in ran.out


@pytest.mark.parametrize(
    ("fault", "check", "said"),
    [
        (Fault("name", "no", "as.example"), "network", "name could not be resolved: as.example"),
        (Fault("refused", "no"), "network", "no connection to the server"),
        (Fault("timeout", "maybe"), "network", "did not answer in time"),
        (Fault("tls", "no", "certificate has expired"), "tls", "certificate has expired"),
        (Fault("too_large", "maybe"), "network", "too large"),
        (Fault("other", "maybe"), "network", "failed"),
    ],
)
def test_faults_are_told_apart(fault: Fault, check: str, said: str) -> None:
    [found] = network.check_reply(ISSUER, fault)
    assert (found.check, found.level) == (check, "problem")
    assert said in found.message
    assert found.advice
    [through] = network.check_reply(ISSUER, fault, "http://p.example")
    assert ("check the proxy http://p.example" in through.advice) == (check != "tls")


@pytest.mark.parametrize(
    ("status", "level"), [(200, "ok"), (404, "ok"), (405, "ok"), (503, "note"), (407, "problem")]
)
def test_any_answer_will_do(status: int, level: str) -> None:
    [found] = network.check_reply(ISSUER, Response(status, {}, b""))
    assert found.level == level


def test_each_server_is_asked_once_and_for_nothing(stage: Stage) -> None:
    with serve() as first, serve() as second:
        given(
            stage,
            *("--token-endpoint", f"{first.issuer}/token"),
            *("--device-endpoint", f"{second.issuer}/device"),
            *("--revocation-endpoint", f"{first.issuer}/revoke"),
        )
        asked = (first.requests, second.requests)
        assert problems(stage) == []
        assert (first.requests, second.requests) == (asked[0] + 1, asked[1] + 1)


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://p.example:3128")
    monkeypatch.setenv("http_proxy", "http://p.example:3128")
    monkeypatch.setenv("no_proxy", ".test")
    assert network.proxy_of("http://127.0.0.1:8080/token") is None
    assert network.proxy_of("https://server.test/token") is None
    assert network.proxy_of("https://as.example/token") == "http://p.example:3128"


def test_profiles_that_cannot_be_read_are_told() -> None:
    [found] = signin.check_profiles("Permission denied")
    assert found.level == "problem"
    assert [each.level for each in signin.check_profiles(Profiles())] == ["note"]
