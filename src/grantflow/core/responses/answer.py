"""A response, read once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, final

from attrs import evolve, frozen
from returns.result import Result

from grantflow.core.acquisition.challenge import challenge_for
from grantflow.core.client.dialect import ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.core.flows.events import Rejected, Unanswered
from grantflow.core.responses.codes import CODES, Phase, counts, may_pass
from grantflow.core.values.errors import InvalidResponse, Refused
from grantflow.core.values.json import Json, Members
from grantflow.core.values.parsing import (
    http_date,
    members,
    retry_after,
    span,
    text_of,
)
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.result import either
from grantflow.core.values.time import Moment


@final
@frozen
class Answer:
    """A response, read once: its members or what is wrong with them, its code and its pause.

    ``retry_after`` is the wait that a ``Retry-After`` header asked for.
    """

    response: Response
    found: Result[Members, str]
    refused: Refused | None
    retry_after: timedelta | None

    @property
    def interval(self) -> timedelta | None:
        """Return the new interval that an error names (GitHub does)."""
        return span(self.found.value_or(Members()).get("interval"))

    @property
    def success(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.response.status < 300

    def fault(self) -> Fault:
        """Return the answer as trouble on the way."""
        detail = f"HTTP {self.response.status}{self._nature()}"
        return Fault("http", "maybe", detail, retry_after=self.retry_after)

    def invalid(self, problem: str) -> InvalidResponse:
        """Return the answer as an invalid response."""
        return InvalidResponse(f"HTTP {self.response.status}: {problem}", self.response.status)

    def no_answer(self, now: Moment) -> Rejected | Unanswered:
        """Judge an answer without a code, if no person is waited for."""
        status = self.response.status
        if may_pass("token", status):
            return Unanswered(now.mono, self.fault(), now.roll)
        if 300 <= status < 400:
            return Rejected(now.mono, self.invalid("a redirect, which is never followed"))
        return Rejected(now.mono, self.invalid(f"no OAuth answer{self._nature()}"))

    def _nature(self) -> str:
        problem = either(self.found.map(lambda _: "JSON without an error code"))
        return f" ({problem})"


def read_answer(
    request: Request, provider: Provider, phase: Phase, response: Response, now: Moment
) -> Answer:
    """Read a response once; the request tells which secrets it might echo."""
    sent = members(response.body)
    refused = _refused(request, provider.answers, phase, response, sent.value_or(Members()))
    if refused is not None:
        refused = evolve(refused, ahead=_ahead(request, response, now))
    found = sent.map(lambda read: provider.answers.translated(read, phase))
    return Answer(response, found, refused, retry_after(response.header("retry-after"), now.wall))


_CLOCKS_DIFFER: Final = timedelta(seconds=30)
"""Assertions and proofs are commonly valid for a minute: half of that is told."""


def _ahead(request: Request, response: Response, now: Moment) -> timedelta | None:
    """Return how far the server's clock is ahead, if what was refused depends on it."""
    if request.assertion is None and request.proof is None:
        return None
    date = http_date(response.header("date") or "", now.wall)
    if date is None or abs(date - now.wall) < _CLOCKS_DIFFER:
        return None
    return date - now.wall


_LONGEST_DESCRIPTION: Final = 1000


_SIGNED: Final = re.compile(r"\beyJ[\w-]+(?:\.[\w-]+){0,4}")
"""A JWT, or the beginning of one: it never fails after the first letters, so it is linear."""


def _refused(
    request: Request, answers: ResponseFormat, phase: Phase, response: Response, found: Members
) -> Refused | None:
    told = answers.code(found, response, phase) or _challenge(response)
    if told is None:
        return None
    raw, code = told
    if not counts(code, phase, response.status):
        return None
    shown = _masked(raw, request) or ""
    return Refused(
        code if code in CODES else shown,
        _masked(answers.told(found), request),
        _masked(found.get("error_uri"), request),
        response.status,
        shown,
    )


def _challenge(response: Response) -> tuple[str, str] | None:
    """Return the error of a ``WWW-Authenticate`` header, for servers that say it there alone."""
    if response.status not in (400, 401, 403):
        return None
    challenge = challenge_for(response.header("www-authenticate"), "Bearer")
    raw = None if challenge is None else challenge.error
    return None if raw is None else (raw, raw.strip().lower())


def _masked(value: Json, request: Request) -> str | None:
    text = text_of(value)
    if text is None:
        return None
    secrets = [*request.secrets()]
    # Cut before it is searched, behind what a secret that begins in the visible part may take.
    longest = max((each.longest for each in secrets), default=0)
    text = text[: _LONGEST_DESCRIPTION + longest]
    for each in secrets:
        text = each.redact(text)
    # What was signed at the edge is not known here, and an assertion is as good as a password
    # while it is valid.
    return _SIGNED.sub("***", text)[:_LONGEST_DESCRIPTION]
