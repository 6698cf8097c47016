"""The vocabulary of the property tests."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import strategies as st

from grantflow import Fault, Response
from grantflow.testing import Outage, Script

KINDS = ("timeout", "refused", "proxy", "tls", "name", "too_large", "http", "other")
CODES = (
    "authorization_pending",
    "slow_down",
    "expired_token",
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "temporarily_unavailable",
    "server_error",
    "unheard_of",
)
NAMES = (
    "error",
    "error_description",
    "access_token",
    "refresh_token",
    "id_token",
    "token_type",
    "expires_in",
    "expires_at",
    "scope",
    "interval",
    "device_code",
    "user_code",
    "verification_uri",
    "verification_uri_complete",
)


def spans(low: float, high: float) -> st.SearchStrategy[timedelta]:
    """Whole milliseconds between two numbers of seconds."""
    return st.integers(int(low * 1000), int(high * 1000)).map(lambda ms: timedelta(milliseconds=ms))


numbers = (
    st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from([0, -1, 10**30, 1e308, 5, 3600])
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text() | st.sampled_from(CODES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), json_values, max_size=8)
bodies = (
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | objects.map(lambda found: json.dumps(found).encode())
    | st.sampled_from([b"", b"<html>", b"{", b"[1]", b"null", b"a=b&error=slow_down", b'"'])
)
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "retry-after", "Content-Type", "Date"]),
    st.text(max_size=40)
    | st.sampled_from(["5", "Sun, 06 Nov 1994 08:49:37 GMT", "application/json"]),
)
responses = st.builds(Response, st.integers(100, 599), headers, bodies)
faults = st.builds(Fault, st.sampled_from(KINDS), st.sampled_from(["no", "maybe"]), st.text())
replies = responses | faults

outages = st.builds(
    lambda start, length, reply: Outage(start, start + length, reply),
    spans(0, 60),
    spans(0, 25),
    st.sampled_from(
        [
            Fault("timeout", "maybe"),
            Fault("refused", "no"),
            Response(502, {}, b"<html>"),
            Response(503, {"Retry-After": "7"}, b""),
        ]
    ),
)
scripts = st.builds(
    Script,
    approve_after=st.none() | spans(0, 120),
    deny_after=st.none() | spans(0, 120),
    lifetime=spans(1, 90),
    interval=spans(0.001, 20),
    latency=spans(0, 4),
    outages=st.lists(outages, max_size=2).map(tuple),
)
