"""A secret from a command or a file: the first line, or an error that quotes nothing."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from grantflow import Client, ClientSecretBasic, MemoryStore, TokenSource
from grantflow.secrets import SecretError, from_command, from_file
from grantflow.testing import Script, Server, ServerTransport, VirtualClock


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    "said",
    [b"hunter2", b"hunter2\n", b"  hunter2 \r\nuser: me\n", "\ufeffhunter2\n".encode()],
)
def test_the_first_line_is_the_secret(said: bytes, tmp_path: Path) -> None:
    code = f"import sys; sys.stdout.buffer.write({said!r})"
    assert from_command(python(code))().reveal() == "hunter2"
    path = tmp_path / "secret"
    path.write_bytes(said)
    assert from_file(path)().reveal() == from_file(str(path))().reveal() == "hunter2"


def test_it_is_fetched_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    read, asked = from_file(path), from_command(python(f"print(open({str(path)!r}).read())"))
    for text in ("one", "two"):
        path.write_text(text)
        assert read().reveal() == asked().reveal() == text


def test_words_are_not_read_by_a_shell() -> None:
    words = [*python("import sys; print(sys.argv[1])"), "$HOME; echo `id` *"]
    assert from_command(words)().reveal() == "$HOME; echo `id` *"


def test_the_command_does_not_read_what_is_ours() -> None:
    code = (
        "from grantflow.secrets import from_command\n"
        "import sys\n"
        "command = [sys.executable, '-c', 'import sys; print(repr(sys.stdin.read()))']\n"
        "print(from_command(command)().reveal(), sys.stdin.read())\n"
    )
    ran = subprocess.run(python(code), input="ours", capture_output=True, text=True, check=True)
    assert ran.stdout == "'' ours\n"


def everything(error: BaseException) -> str:
    """What the most talkative traceback would show."""
    assert error.__context__ is None
    assert error.__traceback__ is not None
    ours = error.__traceback__.tb_next  # the test itself speaks of it, of course
    told = traceback.TracebackException(type(error), error, ours, capture_locals=True)
    return "".join(told.format())


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import sys; print('hunt' + 'er2'); sys.exit(3)", "ended with status 3"),
        ("import os; print('hunt' + 'er2', flush=True); os.kill(os.getpid(), 15)", "signal 15"),
        (r"import sys; sys.stdout.buffer.write(b'hunt' + b'er2\xff')", "gave no UTF-8 text"),
        ("pass", "gave an empty first line"),
        ("print(); print('hunt' + 'er2')", "gave an empty first line"),
    ],
)
def test_a_command_that_fails_is_named_and_not_quoted(code: str, problem: str) -> None:
    with pytest.raises(SecretError, match=problem) as caught:
        from_command(python(code))()
    assert isinstance(caught.value, OSError)
    assert str(caught.value).startswith(f"the command {sys.executable!r} ")
    assert "hunter2" not in everything(caught.value)
    assert "sys.exit" not in str(caught.value)  # only its first word: the others may be secret


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"no-such-command' cannot be run: No such file"):
        from_command([str(tmp_path / "no-such-command"), "--password", "x"])()
    (tmp_path / "plain").touch()
    with pytest.raises(SecretError, match="cannot be run: Permission denied"):
        from_command([str(tmp_path / "plain")])()


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "import os, pathlib, time; print('hunt' + 'er2', flush=True);"
        f"pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(SecretError, match="took more than 0.5 seconds") as caught:
        from_command(python(code), timeout=0.5)()
    assert time.monotonic() - started < 30
    assert "hunter2" not in everything(caught.value)
    if pid.exists():  # else it was killed even earlier
        assert not Path(f"/proc/{pid.read_text()}").exists()


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with pytest.raises(SecretError, match=r"secret' cannot be read: No such file"):
        from_file(path)()
    with pytest.raises(SecretError, match="cannot be read: Is a directory"):
        from_file(tmp_path)()
    path.write_text(" \n")
    with pytest.raises(SecretError, match="gave an empty first line"):
        from_file(path)()
    path.write_bytes(b"hunter2\xff")
    with pytest.raises(SecretError, match="gave no UTF-8 text") as caught:
        from_file(path)()
    assert "hunter2" not in everything(caught.value)


def test_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="argv"):
        from_command("vault read")
    with pytest.raises(ValueError, match="argv"):
        from_command([])
    with pytest.raises(ValueError, match="timeout"):
        from_command(["vault"], timeout=0)


def test_as_a_source_of_tokens() -> None:
    clock = VirtualClock()
    issuer = ServerTransport(Server(), clock)
    source = TokenSource(
        Client(provider=issuer.server.provider, client_id="app"),
        store=MemoryStore(),
        transport=issuer,
        clock=clock,
        token=from_command(python("print('from-elsewhere')")),
    )
    assert source.token().access_token.reveal() == "from-elsewhere"
    assert issuer.requests == []


def test_as_a_client_secret_that_rotates(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("wrong")
    clock = VirtualClock()
    issuer = ServerTransport(Server(Script(clients={"app": "right"})), clock)
    source = TokenSource(
        lambda: Client(
            provider=issuer.server.provider,
            client_id="app",
            authentication=ClientSecretBasic(from_file(path)()),
        ),
        "client_credentials",
        store=MemoryStore(),
        transport=issuer,
        clock=clock,
    )
    path.write_text("right\n")
    assert source.token().token_type == "Bearer"


def test_standard_error_is_for_whoever_watches() -> None:
    """A command's own complaint is seen as it is, and is no part of the error."""
    code = (
        "from grantflow.secrets import from_command\n"
        "import sys\n"
        "try:\n"
        "    command = [sys.executable, '-c', 'import sys; sys.exit(\"permission denied\")']\n"
        "    from_command(command)()\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run(python(code), capture_output=True, text=True, check=True)
    assert ran.stderr == "permission denied\n"
    assert "permission denied" not in ran.stdout
    assert "ended with status 1" in ran.stdout
