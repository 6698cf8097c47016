"""What a scenario is played on: a server on loopback, time that passes at once, and a record.

This runs in the virtual environment of the original, in a process of its own for each scenario.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import ssl
import sys
import tempfile
import time
import webbrowser
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Final, TypeAlias, final
from urllib.parse import parse_qsl

from attrs import define, field, frozen

from tests.support.compat_wire import Heard, Says, Wire, wire

Plays: TypeAlias = "Callable[[Stage], object]"
JSON: TypeAlias = Any

_HEADERS: Final = ("authorization", "client-id", "client-secret", "x-api-key", "x-api-key-id")
ACCIDENTS: Final = {"AttributeError", "TypeError", "UnboundLocalError", "NameError"}
_BEYOND: Final = {"object", "BaseException", "Exception"}
OWN: Final = "own:"
ANY: Final = "any"
"""Whatever is to be seen here: for what other tests hold."""
_RANDOM: Final = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


@frozen
class Differs:
    """That one aspect is another here than with the original, and where the module's page says so.

    ``page`` is a part of a line of the page. ``here`` is what is to be seen here, as ``brief`` says
    it, or ``ANY``.
    """

    page: str
    here: JSON


@frozen
class Scenario:
    """One script; ``differs`` by aspect: result, raised, requests, files, output."""

    name: str
    play: Plays
    differs: Mapping[str, Differs]


@final
class Scenarios:
    """Those of one system, which a module collects with ``plays``."""

    def __init__(self) -> None:
        self.all: dict[str, Scenario] = {}

    def plays(self, **differs: Differs) -> Callable[[Plays], Plays]:
        """Make a scenario of a function, whose name becomes its own."""

        def add(play: Plays) -> Plays:
            name = getattr(play, "__name__", "")
            assert name
            assert name not in self.all
            self.all[name] = Scenario(name, play, differs)
            return play

        return add


@define
class Stage:
    """What a scenario has to do with."""

    wire: Wire
    folder: Path
    waits: list[float] = field(factory=list[float])
    opened: list[str] = field(factory=list[str])
    browser: bool = True
    """Whether a browser opens."""
    seen: list[object] = field(factory=list[object])
    """What the scenario tells of, besides what it returns."""

    @property
    def url(self) -> str:
        return self.wire.url

    def says(self, path: str, *answers: Says | Callable[[Heard], Says]) -> None:
        """Answer a path: in order, the last one again and again."""
        self.wire.script(path, answers)

    def catches(self, call: Callable[[], object]) -> object:
        """Return what a call returns, or the class of what it raises as the original has it."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - it is what is asked about
            return {"raised": _names(type(error))}


def answer(
    status: int, body: Mapping[str, object] | list[object] | bytes = b"", **headers: str
) -> Says:
    """Return an answer, as JSON unless the body is bytes."""
    kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
    return Says(status, body, {**kind, **{k.replace("_", "-"): v for k, v in headers.items()}})


HANGS_UP: Final = Says(None)


def shape(function: Callable[..., object], *own: str) -> list[list[str]]:
    """Return the parameters and defaults of a function but for those that are ``own`` here."""
    return [
        [name, repr([] if each.default == () else each.default)]
        for name, each in signature(function).parameters.items()
        if name not in own
    ]


@contextmanager
def hosts(stage: Stage, *names: str) -> Iterator[None]:
    """Have names on port 443 lead to the stage's server, over TLS with a certificate of its own.

    ``trustme`` is in the environments that need this.
    """
    authority = import_module("trustme").CA()
    bundle = stage.folder.parent / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    with wire(tls=context) as secure:
        stage.wire = secure
        port = int(secure.url.rpartition(":")[2])
        real = socket.getaddrinfo

        def look_up(host: Any, service: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(host, bytes):
                host = host.decode()
            if host not in names:
                return real(host, service, *args, **kwargs)
            return real("127.0.0.1", port, *args, **kwargs)

        socket.getaddrinfo = look_up
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        yield


def play(scenario: Scenario) -> JSON:
    """Play a scenario in this process, which is none afterwards: time and browser are changed."""
    root = Path(tempfile.mkdtemp(prefix="grantflow-callers-"))
    folder = root / "home"
    folder.mkdir()
    os.chdir(folder)
    _surroundings(folder)
    out, err = io.StringIO(), io.StringIO()
    logging.disable(logging.CRITICAL)
    with wire() as server, redirect_stdout(out), redirect_stderr(err):
        stage = Stage(server, folder)
        _hurry(stage)
        result: object = None
        raised: dict[str, object] | None = None
        try:
            result = scenario.play(stage)
        except SystemExit as exit_:
            result = {"exit": exit_.code}
        except Exception as error:  # noqa: BLE001 - it is what is asked about
            raised = {"names": _names(type(error)), "text": _text(error)}
        url, heard = stage.url, stage.wire.heard

    def plain(value: object) -> JSON:
        text = json.dumps(value, default=_plainly)
        text = text.replace(url, "{url}").replace(str(folder), "{home}")
        return json.loads(_RANDOM.sub("{random}", text))

    return {
        "name": scenario.name,
        "result": plain([result, *stage.seen] if stage.seen else result),
        "raised": plain(raised),
        "requests": plain([_request(each) for each in heard]),
        "files": plain(dict(_files(folder))),
        "output": plain([out.getvalue(), err.getvalue()]),
        "waits": stage.waits,
        "opened": plain(stage.opened),
    }


def _surroundings(folder: Path) -> None:
    for name in list(os.environ):
        if name.startswith(
            ("DVC_", "DAGSHUB_", "BITFOUNT_", "FLYTE", "STUDIO_", "XDG_", "GRANTFLOW")
        ):
            del os.environ[name]
    os.environ.update(
        HOME=str(folder),
        XDG_CACHE_HOME=str(folder / "cache"),
        XDG_CONFIG_HOME=str(folder / "config"),
        XDG_CONFIG_DIRS=str(folder / "etc"),
        XDG_DATA_HOME=str(folder / "data"),
        GRANTFLOW_HOME=str(folder / "grantflow"),
        COLUMNS="200",
        NO_PROXY="*",
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
    )


def _hurry(stage: Stage) -> None:
    """Have ``sleep`` move the monotonic clock on instead of waiting, and no browser open."""
    real = time.monotonic
    ahead = [0.0]

    def sleep(seconds: float) -> None:
        stage.waits.append(round(seconds, 1))
        ahead[0] += seconds

    def opened(url: str, *_: object) -> bool:
        stage.opened.append(url)
        return stage.browser

    time.sleep = sleep
    time.monotonic = lambda: real() + ahead[0]
    webbrowser.open = opened


def _request(heard: Heard) -> JSON:
    text = heard.body.decode("utf-8", "replace")
    body: JSON = text
    if heard.headers.get("content-type", "").startswith("application/json"):
        body = json.loads(text)
    elif "form" in heard.headers.get("content-type", ""):
        body = dict(parse_qsl(text, keep_blank_values=True))
    headers = {name: heard.headers[name] for name in _HEADERS if name in heard.headers}
    if headers.get("authorization", "").startswith("Basic "):
        headers["authorization"] = f"Basic {b64decode(headers['authorization'][6:]).decode()}"
    return {
        "what": f"{heard.method} {heard.path}",
        "query": heard.query,
        "headers": headers,
        "body": body,
    }


def _files(folder: Path) -> Iterator[tuple[str, JSON]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.endswith(".lock"):
            mode = f"{path.stat().st_mode & 0o777:04o}"
            yield name, {"mode": mode, "text": path.read_bytes().decode("utf-8", "replace")}


def _names(kind: type) -> list[str]:
    """Name the classes that an ``except`` may name, but for those that only a mistake raises."""
    names: list[str] = []
    for each in kind.__mro__:
        home = each.__module__.partition(".")[0]
        plain = home in ("builtins", "requests", "json", "httpx", "urllib3", "simplejson")
        named = each.__name__ if plain else f"{OWN}{each.__name__}"
        names.append(f"{home}.{named}" if plain and home != "builtins" else named)
    return [name for name in names if name not in _BEYOND]


def _text(error: Exception) -> str:
    try:
        return str(error)
    except TypeError as broken:  # DagsHub has one whose text is none
        return f"<{broken}>"


def _plainly(value: object) -> object:
    return f"<{type(value).__name__}>"


def brief(aspect: str, outcome: JSON) -> JSON:
    """Say an aspect of an outcome in short, as ``Differs.here`` does."""
    value = outcome[aspect]
    match aspect:
        case "raised":
            return None if value is None else value["names"][0]
        case "requests":
            return [each["what"] for each in value]
        case "files":
            return sorted(value)
        case _:
            return value


def catchable(outcome: JSON) -> set[str]:
    """Return what an ``except`` that was written for the original may name."""
    return set() if outcome["raised"] is None else set(outcome["raised"]["names"]) - ACCIDENTS


def main(all_: Mapping[str, Scenario], side: str, names: list[str]) -> None:
    """Play scenarios, each in a process of its own; write an outcome a line."""
    output = os.dup(1)
    os.dup2(2, 1)  # who remembers standard output says nothing in between
    for name in names or list(all_):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                line = json.dumps(play(all_[name])) + "\n"
            except BaseException:  # noqa: BLE001 - a process that has to say something, and end
                import traceback

                line = json.dumps({"name": name, "broken": traceback.format_exc()}) + "\n"
            with open(output, "w", encoding="utf-8") as pipe:
                pipe.write(line)
            os._exit(0)
        os.waitpid(child, 0)
