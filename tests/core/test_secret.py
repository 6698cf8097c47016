"""A secret does not show itself, whatever it is put into."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import attrs
import pytest

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretPost,
    DeviceAuthorization,
    DeviceFlow,
    Pending,
    RefreshFlow,
    Response,
    Secret,
    Send,
    Token,
    TokenIssued,
    begin,
)
from tests.support.samples import ACME, CLIENT, instant, moment, reply

WORD = "correct-horse-battery"
TOKEN = Token(access_token=WORD, refresh_token=WORD, id_token=WORD, extra={"inner": WORD})
CODE = DeviceAuthorization(WORD, "WDJB", "https://a.example", instant(9), extra={"x": WORD})
BASIC = Client(provider=ACME, client_id="app", authentication=ClientSecretBasic(WORD))
POST = Client(
    provider=ACME, client_id="app", authentication=ClientSecretPost(WORD), extra={"p": "v"}
)


def due(flow: ClientCredentialsFlow | RefreshFlow | DeviceFlow) -> Send:
    found = flow.due(flow.start(moment()))
    assert isinstance(found, Send)
    return found


HOLDERS = {
    "secret": Secret(WORD),
    "token": TOKEN,
    "authorized": Authorized(TOKEN),
    "event": TokenIssued(instant(1), TOKEN),
    "code": CODE,
    "pending": Pending(CODE, CODE.interval, instant(3)),
    "client with basic": BASIC,
    "client with post": POST,
    "request with basic": due(ClientCredentialsFlow(BASIC)),
    "request with post": due(ClientCredentialsFlow(POST)),
    "refresh flow": RefreshFlow(POST, WORD),
    "refresh request": due(RefreshFlow(POST, WORD)).request,
    "run": begin(RefreshFlow(BASIC, WORD), moment()),
    "response": Response(200, {"Set-Cookie": WORD}, WORD.encode()),
    "rejected": due(RefreshFlow(CLIENT, WORD)).read(
        reply(
            400, {"error": "invalid_grant", "error_description": f"no {WORD}", "error_uri": WORD}
        ),
        moment(),
    ),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_no_text_of_it_shows_the_secret(name: str) -> None:
    value = HOLDERS[name]
    for text in (
        repr(value),
        str(value),
        f"{value}",
        f"{value} {value!r}",
        repr([value]),
    ):
        assert WORD not in text


@pytest.mark.parametrize("name", [name for name in HOLDERS if name not in ("secret", "response")])
def test_asdict_does_not_show_it(name: str) -> None:
    value = HOLDERS[name]
    assert attrs.has(type(value))
    assert WORD not in repr(attrs.asdict(value))  # type: ignore[call-overload]


def test_json_and_pickle_refuse_it() -> None:
    for value in (Secret(WORD), TOKEN):
        with pytest.raises(TypeError):
            json.dumps(value)
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(value)


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fails(token: Token) -> None:
        secret = token.access_token
        raise RuntimeError(f"trouble with {secret} of {token}")

    with pytest.raises(RuntimeError) as caught:
        fails(TOKEN)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert WORD not in "".join(report.format())


def test_a_log_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("grantflow").warning("token %s, %r", TOKEN, {"t": TOKEN.access_token})
    assert WORD not in caplog.text


def test_it_compares_hashes_and_copies_like_a_value() -> None:
    assert Secret(WORD) == Secret(WORD) != Secret("other")
    assert Secret(WORD) != WORD
    assert len({Secret(WORD), Secret(WORD)}) == 1
    assert copy.copy(Secret(WORD)) == copy.deepcopy(Secret(WORD)) == Secret(WORD)
    assert Secret("\ud800") == Secret("\ud800")


def test_it_does_not_change() -> None:
    secret = Secret(WORD)
    with pytest.raises(AttributeError, match="does not change"):
        secret.text = "x"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="does not change"):
        del secret.reveal
    assert not hasattr(secret, "__dict__")


def test_it_is_made_of_text() -> None:
    with pytest.raises(TypeError, match="not of bytes"):
        Secret(b"x")  # type: ignore[arg-type]


def test_a_short_secret_is_not_masked() -> None:
    assert Secret("a").redact("a cat") == "a cat"
