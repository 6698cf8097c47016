"""A standard answer as a provider writes it: ``ResponseFormat``, applied the other way round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import evolve

from grantflow.core.client.dialect import ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.core.values.response import Response

Kind: TypeAlias = Literal["device", "poll", "token", "refresh", "exchange", "registration"]
"""Which of a provider's request formats a request has."""


def refusal(
    answers: ResponseFormat, reply: Response, body: Mapping[str, object], kind: Kind
) -> Response:
    """Return an error as this provider writes it: by a word of its own, a header or a status."""
    code = str(body["error"])
    polled = dict(answers.poll_codes) if kind == "poll" else {}
    raw = next(
        (sent for sent, said in {**dict(answers.codes), **polled}.items() if said == code), ""
    )
    status = None if raw else _status(answers, code, kind)
    if status is not None:
        return evolve(reply, status=status, body=b"{}")
    rest = {name: value for name, value in body.items() if not name.startswith("error")}
    if raw and answers.error_header is not None:
        headers = {**reply.headers, answers.error_header: raw}
        return evolve(reply, headers=headers, body=json.dumps(rest).encode())
    told, _, part = raw.partition("/") if answers.sub_error else (raw, "", "")
    _put(rest, answers.error[0], told or code)
    if answers.sub_error is not None and part:
        _put(rest, answers.sub_error, part)
    if "error_description" in body and answers.description:
        _put(rest, answers.description[0], body["error_description"])
    return evolve(reply, body=json.dumps(rest).encode())


def _status(answers: ResponseFormat, code: str, kind: Kind) -> int | None:
    tables = {"device": answers.device_statuses, "poll": answers.poll_statuses}
    table = tables.get(kind, answers.token_statuses)
    return next((status for status, said in table if said == code), None)


def enveloped(body: Mapping[str, object], kind: Kind, provider: Provider) -> dict[str, object]:
    """Return an answer under this provider's names, in its envelope."""
    answers = provider.answers
    said = dict(body)
    scope = said.get("scope")
    if answers.scope_separator is not None and isinstance(scope, str):
        said["scope"] = scope.replace(" ", answers.scope_separator)
    for name in ("expires_in", "interval"):
        number = said.get(name)
        unit = "device" if kind == "device" else "token"
        if unit in answers.milliseconds and isinstance(number, (int, float)):
            said[name] = number * 1000
    pointer = None if provider.poll_at is None else said.pop(provider.poll_at, None)
    paths = dict(answers.fields)
    moved = {name: value for name, value in said.items() if name in paths}
    found: dict[str, object] = {name: said[name] for name in said if name not in paths}
    for name, value in moved.items():
        _put(found, paths[name][0], value)
    if pointer is not None and provider.poll_at is not None:
        _put(found, paths.get(provider.poll_at, (provider.poll_at,))[0], pointer)
    if not answers.root:
        return found
    whole: dict[str, object] = {}
    _put(whole, answers.root[0], found)
    return whole


def _put(body: dict[str, object], path: str, value: object) -> None:
    """Set what ``at`` finds at a dotted path; a number is a place in a list."""
    first, _, rest = path.partition(".")
    if not rest:
        body[first] = value
        return
    if rest.split(".")[0].isdigit():
        inner: dict[str, object] = {}
        _put(inner, rest, value)
        body[first] = list(inner.values())
        return
    below = body.get(first)
    deeper: dict[str, object] = below if isinstance(below, dict) else {}
    _put(deeper, rest, value)
    body[first] = deeper
