"""The adapter for requests on real sockets: attach, renew once, replay once, never elsewhere."""

from __future__ import annotations

import gc
import io
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from grantflow import (
    DeviceAuthorization,
    GrantError,
    InteractionRequired,
    MemoryStore,
    Secret,
    Token,
    TokenSource,
)
from grantflow.integrations.requests import TokenAuth, TokenSession
from tests.support.auth_stage import SCOPE, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        yield found


@pytest.fixture
def auth(stage: Stage) -> TokenAuth:
    return TokenAuth(stage.source)


def bearer(stage: Stage) -> str:
    return stage.source.token().authorization.reveal()


def test_a_refused_token_is_renewed_and_the_call_sent_again(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    old = stage.refuse()
    response = session.post(f"{stage.api.url}/x", data=b"payload", auth=auth)
    assert stage.statuses() == [401, 200]
    assert stage.bore() == [old, bearer(stage)]
    assert [each.body for each in stage.seen] == [b"payload", b"payload"]
    assert stage.issued == 2
    assert response.text == "hello"
    (refused,) = response.history
    assert refused.status_code == 401
    assert refused.text.startswith("who?")
    assert refused.request.headers["Authorization"] == old
    assert response.request.headers["Authorization"] == bearer(stage)


def test_the_replay_uses_the_same_connection(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    assert session.get(f"{stage.api.url}/x", auth=auth, stream=True).content == b"hello"
    assert stage.statuses() == [401, 200]
    assert len(stage.api.connections) == 1


def test_a_second_refusal_is_the_callers(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    response = session.get(f"{stage.api.url}/x?say=401", auth=auth)
    assert response.status_code == 401
    assert response.text == "hello"
    assert stage.statuses() == [401, 401]
    assert stage.issued == 2


def test_a_missing_scope_is_not_renewed(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.source.token()
    response = session.get(
        f"{stage.api.url}/x", params={"say": "401", "challenge": SCOPE}, auth=auth
    )
    assert response.status_code == 401
    assert (stage.statuses(), stage.issued) == ([401], 1)


def test_other_answers_are_none_of_its_business(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    for status in (200, 400, 403, 404, 407, 500):
        assert session.get(f"{stage.api.url}/x?say={status}", auth=auth).status_code == status
    assert len(stage.seen) == 6
    assert stage.issued == 1


@pytest.mark.parametrize("origin", ["given", "environment"])
def test_what_others_gave_is_not_replaced(
    stage: Stage,
    session: requests.Session,
    origin: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("API_TOKEN", "mine")
    source = TokenSource(
        stage.client,
        "client_credentials",
        store=MemoryStore(),
        transport=stage.issuer,
        clock=stage.clock,
        token="mine" if origin == "given" else None,
        environment=None if origin == "given" else "API_TOKEN",
    )
    stage.api.refused.add("Bearer mine")
    assert session.get(f"{stage.api.url}/x", auth=TokenAuth(source)).status_code == 401
    assert source.origin == origin
    assert stage.bore() == ["Bearer mine"]
    assert stage.issuer.requests == []


def test_a_siblings_newer_token_is_tried_without_a_renewal(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    old = stage.source.token()
    stage.refuse()

    def sibling() -> None:  # while the first request is on its way
        stage.source.try_renew(old)

    stage.api.before = sibling
    assert session.get(f"{stage.api.url}/x", auth=auth).status_code == 200
    assert stage.statuses() == [401, 200]
    assert stage.issued == 2  # the sibling's, and no other


def test_another_process_that_renewed_is_found_in_the_store(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    sibling = stage.another()
    sibling.try_renew(sibling.token())
    assert session.get(f"{stage.api.url}/x", auth=auth).status_code == 200
    assert stage.issued == 2


def test_what_cannot_be_renewed_leaves_the_401(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    stage.down = True
    response = session.get(f"{stage.api.url}/x", auth=auth, stream=True)
    assert response.status_code == 401
    assert response.history == []
    assert response.raw.read(4) == b"who?"  # whole, and not yet read
    response.close()
    assert stage.statuses() == [401]


def test_no_token_at_all_is_an_error(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.down = True
    with pytest.raises(GrantError):
        session.get(f"{stage.api.url}/x", auth=auth)
    assert stage.seen == []


def test_an_exception_while_a_token_is_renewed_closes_the_answer(
    stage: Stage, session: requests.Session
) -> None:
    """What a caller's own provider raises reaches the caller, and leaves no open connection."""
    answers: list[requests.Response] = []

    class Kept(HTTPAdapter):
        def build_response(self, req: requests.PreparedRequest, resp: object) -> requests.Response:
            answers.append(super().build_response(req, resp))  # type: ignore[arg-type]
            return answers[-1]

    class Broken:
        def token(self) -> Token:
            return stage.source.token()

        def renew(self, rejected: Token, /) -> Token:
            raise RuntimeError(f"cannot renew {rejected!r}")

    stage.refuse()
    session.mount("http://", Kept())
    with pytest.raises(RuntimeError, match="cannot renew"):
        session.get(f"{stage.api.url}/x", auth=TokenAuth(Broken()), stream=True)
    assert [(each.status_code, each.raw.closed) for each in answers] == [(401, True)]


def test_non_interactive_never_prompts(stage: Stage, session: requests.Session) -> None:
    prompted: list[DeviceAuthorization] = []
    store = MemoryStore()
    source = TokenSource(
        stage.client,
        "device",
        store=store,
        transport=stage.issuer,
        clock=stage.clock,
        prompt=prompted.append,
        interactive=False,
    )
    with pytest.raises(GrantError) as caught:
        session.get(f"{stage.api.url}/x", auth=TokenAuth(source))
    assert isinstance(caught.value.problem, InteractionRequired)
    store.save(source.key, Token(access_token="old"))
    stage.api.refused.add("Bearer old")
    assert session.get(f"{stage.api.url}/x", auth=TokenAuth(source)).status_code == 401
    assert stage.bore() == ["Bearer old"]
    assert prompted == []
    assert stage.issuer.requests == []


# Bodies


def test_a_generator_is_not_sent_again(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    response = session.post(f"{stage.api.url}/x", data=iter([b"pay", b"load"]), auth=auth)
    assert response.status_code == 401
    assert [each.body for each in stage.seen] == [b"payload"]
    assert stage.issued == 1  # not even renewed: nothing could use it


def test_a_file_is_rewound_to_where_it_stood(
    stage: Stage, session: requests.Session, auth: TokenAuth, tmp_path: Path
) -> None:
    stage.refuse()
    path = tmp_path / "body"
    path.write_bytes(b"skipped" + b"\x00\xff" * 100_000)
    with path.open("rb") as body:
        body.seek(7)
        assert session.put(f"{stage.api.url}/x", data=body, auth=auth).status_code == 200
    assert [each.body for each in stage.seen] == [b"\x00\xff" * 100_000] * 2
    assert stage.statuses() == [401, 200]


class Pipe(io.BytesIO):
    """Tells where it stands and cannot go back."""

    def seekable(self) -> bool:
        return False


class Torn(io.BytesIO):
    """Says that it can go back, and cannot."""

    torn = False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if self.torn and whence == 0:
            raise OSError("torn")
        return super().seek(offset, whence)


def test_a_pipe_is_not_sent_again(stage: Stage, session: requests.Session, auth: TokenAuth) -> None:
    stage.refuse()
    assert session.post(f"{stage.api.url}/x", data=Pipe(b"payload"), auth=auth).status_code == 401
    assert [each.body for each in stage.seen] == [b"payload"]


class Unmeasured:
    """Can go back, and does not tell where it stands."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"payload"])

    def seek(self, offset: int) -> None:
        raise AssertionError("to where?")


def test_a_body_that_does_not_tell_where_it_stands_is_not_sent_again(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    assert session.post(f"{stage.api.url}/x", data=Unmeasured(), auth=auth).status_code == 401
    assert stage.issued == 1


def test_a_file_that_cannot_be_rewound_leaves_the_401(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    body = Torn(b"payload")
    stage.api.before = lambda: setattr(body, "torn", True)
    response = session.post(f"{stage.api.url}/x", data=body, auth=auth)
    assert response.status_code == 401
    assert response.text.startswith("who?")
    assert [each.body for each in stage.seen] == [b"payload"]


def test_a_form_and_json_and_files_are_sent_again(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    url = f"{stage.api.url}/x"
    for _ in range(3):
        stage.refuse()
        stage.seen.clear()
        session.post(url, data={"a": "b"}, auth=auth)
        assert [each.body for each in stage.seen] == [b"a=b"] * 2
        stage.refuse()
        session.post(url, json={"a": 1}, auth=auth)
        assert [each.body for each in stage.seen[2:]] == [b'{"a": 1}'] * 2
        stage.refuse()
        session.post(url, files={"f": ("n", b"data")}, auth=auth)
        first, second = (each.body for each in stage.seen[4:])
        assert first == second
        assert b"data" in first


# Origins


def test_the_first_origin_is_the_only_one(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    session.get(f"{stage.api.url}/x", auth=auth)
    session.get(f"{stage.other.url}/x", auth=auth)
    session.get(stage.api.url.replace("127.0.0.1", "localhost") + "/x", auth=auth)
    session.get(f"{stage.api.url}/y", auth=auth)
    assert [text is not None for text in stage.bore()] == [True, False, False, True]
    assert stage.statuses() == [200, 401, 401, 200]
    assert stage.issued == 1


def test_origins_can_be_listed(stage: Stage, session: requests.Session) -> None:
    auth = TokenAuth(stage.source, [f"{stage.other.url}/v1/"])
    session.get(f"{stage.api.url}/x", auth=auth)
    session.get(f"{stage.other.url}/x", auth=auth)
    assert [text is not None for text in stage.bore()] == [False, True]
    one = TokenAuth(stage.source, stage.api.url)
    session.get(f"{stage.api.url}/x", auth=one)
    assert stage.bore()[-1] == bearer(stage)
    none = TokenAuth(stage.source, [])
    session.get(f"{stage.api.url}/x", auth=none)
    assert stage.bore()[-1] is None
    with pytest.raises(ValueError, match="origins"):
        TokenAuth(stage.source, ["api.example"])


def test_a_request_to_elsewhere_is_untouched(stage: Stage, auth: TokenAuth) -> None:
    requests.Request("GET", f"{stage.api.url}/", auth=auth).prepare()
    prepared = requests.Request(
        "GET", f"{stage.other.url}/", headers={"Authorization": "Basic mine"}, auth=auth
    ).prepare()
    assert prepared.headers["Authorization"] == "Basic mine"
    assert prepared.hooks["response"] == []


HEADERS = {
    "Authorization": ("Authorization", None),
    "x-api-key": ("x-api-key", ""),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_elsewhere_loses_the_token(name: str, own_session: bool, status: int) -> None:
    header, scheme = HEADERS[name]
    with staged(header) as stage, requests.Session() as plain:
        session = TokenSession(stage.source, header=header, scheme=scheme) if own_session else plain
        auth = None if own_session else TokenAuth(stage.source, header=header, scheme=scheme)
        with session:
            response = session.get(
                f"{stage.api.url}/x",
                params={"to": f"{stage.other.url}/y", "say": status},
                auth=auth,
            )
    assert [text is not None for text in stage.bore()] == [True, False]
    assert stage.statuses() == [status, 401]
    assert stage.issued == 1  # a foreign 401 renews nothing
    assert len(response.history) == 1


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("to", ["/y", "relative", "{api}/y", "//{place}/y"])
def test_a_redirect_within_the_origin_keeps_the_token(
    name: str, own_session: bool, to: str
) -> None:
    header, scheme = HEADERS[name]
    with staged(header) as stage, requests.Session() as plain:
        to = to.format(api=stage.api.url, place=stage.api.url.removeprefix("http://"))
        session = TokenSession(stage.source, header=header, scheme=scheme) if own_session else plain
        auth = None if own_session else TokenAuth(stage.source, header=header, scheme=scheme)
        with session:
            session.get(f"{stage.api.url}/x", params={"to": to}, auth=auth)
    assert stage.statuses() == [302, 200]
    assert len(set(stage.bore())) == 1
    assert stage.bore()[0] is not None


def test_the_token_does_not_come_back_from_elsewhere(stage: Stage) -> None:
    """Another origin must not make us do something with our token at its choice."""
    back = f"{stage.other.url}/y?open&to={stage.api.url}/delete"
    with TokenSession(stage.source) as session:
        session.get(f"{stage.api.url}/x", params={"to": back})
        assert [text is not None for text in stage.bore()] == [True, False, False]
        assert stage.statuses() == [302, 302, 401]
        session.get(f"{stage.other.url}/y?open", params={"to": f"{stage.api.url}/delete"})
    assert stage.bore()[3:] == [None, None]
    assert stage.issued == 1


def test_a_token_renewed_before_a_redirect_is_the_one_that_follows_it(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    old = stage.refuse()
    response = session.get(f"{stage.api.url}/x", params={"to": "/y"}, auth=auth)
    assert stage.statuses() == [401, 302, 200]
    assert stage.bore() == [old, bearer(stage), bearer(stage)]
    assert stage.issued == 2
    assert response.status_code == 200


def test_a_call_is_renewed_for_once_however_it_is_redirected(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    stage.refuse()
    response = session.get(f"{stage.api.url}/x", params={"to": "/y?say=401"}, auth=auth)
    assert response.status_code == 401
    assert stage.statuses() == [401, 302, 401]
    assert stage.issued == 2
    # and the next call is another one
    stage.refuse()
    assert session.get(f"{stage.api.url}/x", auth=auth).status_code == 200
    assert stage.issued == 3


@pytest.mark.parametrize("own_session", [False, True])
def test_a_redirect_from_one_of_the_origins_to_another(stage: Stage, own_session: bool) -> None:
    origins = [stage.api.url, stage.other.url]
    with TokenSession(stage.source, origins) if own_session else requests.Session() as session:
        auth = None if own_session else TokenAuth(stage.source, origins)
        response = session.get(f"{stage.api.url}/x?to={stage.other.url}/y", auth=auth)
    assert response.status_code == 200
    # A plain session drops the header there; then the request is sent again with it.
    assert stage.statuses() == ([302, 200] if own_session else [302, 401, 200])
    assert stage.bore()[-1] == bearer(stage)
    assert stage.issued == 1


def test_netrc_does_not_replace_the_token(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with TokenSession(stage.source) as session:
        session.get(f"{stage.api.url}/x?to=/y")
    assert stage.statuses() == [302, 200]
    assert set(stage.bore()) == {bearer(stage)}


def test_a_token_session_still_strips_what_requests_strips() -> None:
    with (
        staged("Authorization") as stage,
        TokenSession(stage.source, header="x-api-key", scheme="") as session,
    ):
        session.get(
            f"{stage.api.url}/x?to={stage.other.url}/y", headers={"Authorization": "Basic mine"}
        )
    assert stage.bore() == ["Basic mine", None]


def test_from_http_to_https_is_elsewhere(session: requests.Session) -> None:
    """Requests itself lets ``Authorization`` pass there."""
    with staged() as stage:
        auth = TokenAuth(stage.source, ["http://localhost"])
        request = requests.Request("GET", "http://localhost/x", auth=auth).prepare()
        response = requests.Response()
        response.status_code, response.url = 302, "http://localhost/x"
        response.headers["Location"] = "https://localhost/x"
        response.request = request
        response.raw = io.BytesIO()
        (hook,) = request.hooks["response"]
        assert hook(response) is response
        redirected = next(session.resolve_redirects(response, request, yield_requests=True))
        assert isinstance(redirected, requests.PreparedRequest)
        assert redirected.url == "https://localhost/x"
        assert "Authorization" not in redirected.headers


# Spelling


@pytest.mark.parametrize(
    ("header", "scheme", "spelled"),
    [
        ("Authorization", None, "Bearer {}"),
        ("Authorization", "token", "token {}"),
        ("x-api-key", "", "{}"),
        ("PRIVATE-TOKEN", "", "{}"),
    ],
)
def test_header_and_scheme(header: str, scheme: str | None, spelled: str) -> None:
    with (
        staged(header) as stage,
        TokenSession(stage.source, header=header, scheme=scheme) as session,
    ):
        old = stage.refuse(spelled)
        session.get(f"{stage.api.url}/x")
        new = spelled.format(stage.source.token().access_token.reveal())
    assert stage.bore() == [old, new]
    assert stage.statuses() == [401, 200]


@pytest.mark.parametrize("header", ["", "x key", "x:", "x\n"])
def test_a_header_has_a_name(stage: Stage, header: str) -> None:
    with pytest.raises(ValueError, match="header"):
        TokenAuth(stage.source, header=header)


@pytest.mark.parametrize("scheme", ["two words", "a\r\nb", " "])
def test_a_scheme_is_one_word(stage: Stage, scheme: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        TokenAuth(stage.source, scheme=scheme)


@pytest.mark.parametrize("text", ["hun\r\nter: 2", "hunter\u20ac2", ""])
def test_a_token_that_no_header_can_hold_is_not_quoted(stage: Stage, text: str) -> None:
    source = TokenSource(stage.client, store=MemoryStore(), token=Secret(text))
    with pytest.raises(GrantError, match="cannot be sent") as caught:
        requests.Request("GET", stage.api.url, auth=TokenAuth(source, scheme="")).prepare()
    assert "hun" not in str(caught.value)


# Reuse


def test_hooks_do_not_pile_up(stage: Stage, session: requests.Session, auth: TokenAuth) -> None:
    heard: list[int] = []
    session.auth = auth
    request = requests.Request(
        "GET",
        f"{stage.api.url}/x",
        hooks={"response": lambda response, **_: heard.append(response.status_code)},
    )
    prepared = session.prepare_request(request)
    for round_ in range(3):
        stage.refuse()
        assert session.send(prepared).status_code == 200
        assert stage.statuses() == [401, 200] * (round_ + 1)
        assert len(prepared.hooks["response"]) == 2
    assert session.send(prepared).status_code == 200  # it bears the token that was renewed
    assert stage.statuses() == [401, 200] * 3 + [200]
    assert heard == [200] * 4
    prepared.prepare_auth(auth)
    prepared.prepare_auth(auth)
    assert len(prepared.hooks["response"]) == 2


def test_a_prepared_request_that_was_sent_elsewhere_still_has_its_token(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    session.auth = auth
    prepared = session.prepare_request(
        requests.Request("GET", f"{stage.api.url}/x", params={"to": f"{stage.other.url}/y"})
    )
    for _ in range(2):
        (sent,) = session.send(prepared).history
        assert sent.request.headers["Authorization"] == bearer(stage)
    assert [text is not None for text in stage.bore()] == [True, False, True, False]
    stage.refuse()
    session.send(prepared)
    assert stage.statuses()[4:] == [401, 302, 401]
    answer = session.send(prepared, allow_redirects=False)
    assert answer.next is not None
    assert "Authorization" not in answer.next.headers


def test_a_callers_own_header_is_left_alone(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    session.auth = auth
    prepared = session.prepare_request(requests.Request("GET", f"{stage.api.url}/x"))
    prepared.headers["Authorization"] = "Basic mine"
    stage.api.refused.add("Basic mine")
    assert session.send(prepared).status_code == 401
    assert stage.bore() == ["Basic mine"]
    del prepared.headers["Authorization"]
    assert session.send(prepared).status_code == 401
    assert stage.issued == 1


def test_a_callers_own_header_is_left_alone_in_a_redirect(stage: Stage) -> None:
    with TokenSession(stage.source) as session:
        url = f"{stage.api.url}/x?to=/y"
        prepared = session.prepare_request(requests.Request("GET", url))
        prepared.headers["Authorization"] = "Basic mine"
        assert session.send(prepared).status_code == 200
    assert stage.bore() == ["Basic mine"] * 2


def test_cookies_are_kept(stage: Stage, session: requests.Session, auth: TokenAuth) -> None:
    session.cookies.set("old", "1")
    stage.refuse()
    session.get(f"{stage.api.url}/x?cookie=new", auth=auth)
    first, second = (each.headers["cookie"] for each in stage.seen)
    assert first == "old=1"
    assert sorted(second.split("; ")) == ["new=set", "old=1"]
    assert session.cookies["new"] == "set"
    stage.refuse()
    session.get(f"{stage.api.url}/x?cookie=new", headers={"Cookie": "mine=1"}, auth=auth)
    assert [each.headers["cookie"] for each in stage.seen[2:]] == ["mine=1", "mine=1"]


def test_settings_are_those_of_the_call(
    stage: Stage,
    session: requests.Session,
    auth: TokenAuth,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "pem").touch()
    cert = str(tmp_path / "pem")
    used: list[dict[str, object]] = []
    send = HTTPAdapter.send

    def spy(
        adapter: HTTPAdapter,
        request: requests.PreparedRequest,
        **settings: object,
    ) -> requests.Response:
        used.append(settings)
        return send(adapter, request, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(HTTPAdapter, "send", spy)
    stage.refuse()
    session.get(
        f"{stage.api.url}/x", auth=auth, timeout=(3, 5), verify=False, cert=cert, stream=True
    ).close()
    assert len(used) == 2
    assert used[0] == used[1]
    assert used[0]["timeout"] == (3, 5)
    assert used[0]["verify"] is False
    assert used[0]["cert"] == cert
    assert used[0]["stream"] is True


def test_a_broken_401_is_still_replayed(stage: Stage, auth: TokenAuth) -> None:
    """The refused answer's body breaks off; nobody needs it."""
    stage.source.token()
    answers = iter(
        [
            b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ]
    )
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener, requests.Session() as session:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert session.get(url, auth=auth, timeout=10).text == "ok"
        thread.join(60)


def test_eight_threads_with_one_refused_token_renew_once(stage: Stage, auth: TokenAuth) -> None:
    stage.refuse()
    everyone = threading.Barrier(8)
    met = threading.local()

    def all_refused_first() -> None:
        if not getattr(met, "once", False):  # a thread of the server is a connection
            met.once = True
            everyone.wait(60)

    stage.api.before = all_refused_first

    def call(number: int) -> int:
        with requests.Session() as session:
            return session.post(f"{stage.api.url}/x", data=str(number), auth=auth).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [200] * 8
    assert sorted(stage.statuses()) == [200] * 8 + [401] * 8
    assert stage.issued == 2
    bodies = sorted(each.body for each in stage.seen)
    assert bodies == sorted([str(number).encode() for number in range(8)] * 2)


def test_a_call_leaves_nothing_behind(
    stage: Stage, session: requests.Session, auth: TokenAuth
) -> None:
    def watches() -> int:
        gc.collect()
        return sum(type(each).__name__ == "_Watch" for each in gc.get_objects())

    before = watches()
    for _ in range(5):
        stage.refuse()
        session.get(f"{stage.api.url}/x", auth=auth)
    assert watches() == before
