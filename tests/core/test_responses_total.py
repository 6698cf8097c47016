"""Reading never raises, whatever the bytes, and gives exactly one event of the right kind."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from hypothesis import example, given, settings

from grantflow import Response, Unanswered
from grantflow.core.flows import events
from grantflow.core.values.response import Reply
from tests.core.test_responses import at_credentials, at_poll, at_refresh, at_start
from tests.support.effort import effort
from tests.support.strategies import replies


@settings(max_examples=effort(200, 1500), deadline=None)
@example(
    Response(200, {}, b'{"device_code": "a", "user_code": "b", "verification_uri": "http://[::1"}')
)
@example(Response(200, {}, b'{"access_token": "a", "expires_in": 1e999}'))
@example(Response(200, {}, b'{"access_token": "a", "expires_in": ' + b"9" * 5000 + b"}"))
@example(Response(429, {"Retry-After": "Sun, 06 Nov 9999 08:49:37 GMT"}, b""))
@given(replies)
def test_any_bytes_give_one_event(answer: Reply) -> None:
    assert isinstance(at_start(answer), get_args(events.DeviceReply))
    for read in (at_poll, at_credentials, at_refresh):
        event = read(answer)
        assert isinstance(event, get_args(events.TokenReply))
        hash(event)  # so that states can be explored and compared
        assert event == event
        if isinstance(event, Unanswered) and event.fault.retry_after is not None:
            assert event.fault.retry_after > timedelta()
