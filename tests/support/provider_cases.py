"""What each known provider puts on the wire, from ``tests/providers/cases``: a file a provider.

``[device]``, ``[poll]``, ``[token]``, ``[refresh]`` and ``[register]`` hold answers by what they
mean: ``code``, ``token``, ``grant``, ``pending``, ``slow``, ``expired``, ``denied``, ``trouble``,
``garbled``, ``refused CODE``. An answer has a ``status`` (200 where it says none), ``headers``,
what its event ``holds``, and a body: ``json``, ``body`` as text, ``error`` for JSON with that code
alone, ``code`` and ``token`` for the RFC's answer with changes (``false`` leaves a member out).

``evidence`` says how well an answer is known: ``documented`` (the provider's own page or repository
shows status and code), ``source`` (the code of its server, or of a client that talks to it),
``derived`` (some of it from there, some assumed, mostly the status), ``unsourced`` (memory).
Tokens, codes and free text are made up.

``[asked]`` says how the vendor is asked, see ``tests.support.vendor``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

FOLDER = Path(__file__).parents[1] / "providers" / "cases"

CODE: dict[str, object] = {
    "device_code": "dc-1",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://id.example.com/device",
    "verification_uri_complete": "https://id.example.com/device?user_code=WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
}
TOKEN: dict[str, object] = {
    "access_token": "at-1",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "rt-1",
    "scope": "read write",
}
WHERE = ("device", "poll", "token", "refresh", "register")


@frozen
class Case:
    """An answer, and the event that it makes."""

    provider: str
    where: str
    expected: str
    status: int
    body: bytes
    evidence: str
    headers: Mapping[str, str]
    holds: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.provider}-{self.where}-{self.expected}-{self.status}".replace(" ", "_")


def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


FILES = {path.stem: _file(path.stem) for path in sorted(FOLDER.glob("*.toml"))}


def _cases(name: str, file: Mapping[str, Any]) -> Iterator[Case]:
    for where in WHERE:
        for expected, answers in file.get(where, {}).items():
            for each in answers:
                yield Case(
                    name,
                    where,
                    expected,
                    each.get("status", 200),
                    _body(each),
                    each.get("evidence", file["evidence"]),
                    each.get("headers", {}),
                    each.get("holds", {}),
                )


def _body(answer: Mapping[str, Any]) -> bytes:
    if "body" in answer:
        return str(answer["body"]).encode()
    if "error" in answer:
        return json.dumps({"error": answer["error"]}).encode()
    for name, usual in (("code", CODE), ("token", TOKEN)):
        if name in answer:
            changed = {**usual, **answer[name]}
            return json.dumps({k: v for k, v in changed.items() if v is not False}).encode()
    return json.dumps(answer["json"]).encode()


CASES = [case for name, file in FILES.items() for case in _cases(name, file)]


def first(name: str, where: str, expected: str) -> Case | None:
    """The first answer of a provider that means this."""
    key = (name, where, expected)
    return next((each for each in CASES if (each.provider, each.where, each.expected) == key), None)


def same(held: object, said: object) -> bool:
    """Whether an event holds what a case says: times are seconds, ``false`` is nothing."""
    if isinstance(held, timedelta) and not isinstance(said, timedelta):
        return held.total_seconds() == said
    if isinstance(held, tuple):
        return list(held) == said
    return (held is None and said is False) or held == said
