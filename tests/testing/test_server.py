"""The scripted server is honest and strict, or nobody could test against it."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta

from attrs import define, field

from grantflow import Fault, Request, Response
from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.values.response import Reply
from grantflow.testing import Outage, Script, Server, answer, decided
from tests.support.samples import seconds


@define
class Talk:
    """A conversation with a server, by hand."""

    server: Server
    at: timedelta = field(factory=timedelta)

    def send(self, path: str, **form: str) -> Reply:
        return self.request(Request(self.server.issuer + path, form={"client_id": "app"} | form))

    def request(self, request: Request) -> Reply:
        self.server, reply = answer(self.server, request, self.at)
        return reply

    def said(self, path: str, **form: str) -> dict[str, object]:
        reply = self.send(path, **form)
        assert isinstance(reply, Response)
        found: dict[str, object] = json.loads(reply.body)
        return {"status": reply.status} | found

    def error(self, path: str, **form: str) -> object:
        return self.said(path, **form).get("error")

    def code(self, **form: str) -> dict[str, str]:
        return {name: str(value) for name, value in self.said("/device", **form).items()}

    def poll(self, device_code: str) -> dict[str, object]:
        return self.said("/token", grant_type=GRANT_TYPE, device_code=device_code)

    def signed_in(self, **form: str) -> dict[str, str]:
        code = self.code(**form)
        self.server = decided(self.server, code["user_code"], "approved")
        self.at += seconds(5)
        return {name: str(value) for name, value in self.poll(code["device_code"]).items()}


def test_who_polls_early_is_told_and_waits_longer() -> None:
    talk = Talk(Server())
    code = talk.code()["device_code"]
    talk.at += seconds(4.999)
    assert talk.poll(code)["error"] == "slow_down"
    talk.at += seconds(9.999)
    assert talk.poll(code)["error"] == "slow_down"
    talk.at += seconds(15)
    assert talk.poll(code)["error"] == "authorization_pending"
    assert talk.server.counts == {"device": 1, "poll": 3, "slow_down": 2}


def test_a_code_is_used_once_and_dies_on_time() -> None:
    talk = Talk(Server(Script(lifetime=seconds(60))))
    code, late = talk.code(), talk.code()["device_code"]
    talk.server = decided(talk.server, code["user_code"].lower().replace("-", " "), "approved")
    talk.at += seconds(5)
    assert talk.poll(code["device_code"])["status"] == 200
    assert talk.poll(code["device_code"])["error"] == "invalid_grant"
    talk.at = seconds(60)
    assert talk.poll(late)["error"] == "expired_token"


def test_a_denial_is_final_also_when_the_script_says_it() -> None:
    talk = Talk(Server(Script(deny_after=seconds(3), approve_after=seconds(20))))
    code = talk.code()
    talk.at += seconds(5)
    assert talk.poll(code["device_code"])["error"] == "access_denied"
    talk.server = decided(talk.server, code["user_code"], "approved")
    talk.at += seconds(60)
    assert talk.poll(code["device_code"])["error"] == "invalid_grant"


def test_another_client_s_code_is_worth_nothing() -> None:
    talk = Talk(Server(Script(approve_after=seconds(0))))
    code = talk.code()["device_code"]
    talk.at += seconds(9)
    assert (
        talk.said("/token", client_id="thief", grant_type=GRANT_TYPE, device_code=code)["error"]
        == "invalid_grant"
    )
    assert talk.poll(code)["status"] == 200


def test_rotation_and_reuse() -> None:
    talk = Talk(Server())
    first = talk.signed_in()["refresh_token"]
    second = str(
        talk.said("/token", grant_type="refresh_token", refresh_token=first)["refresh_token"]
    )
    assert second != first
    assert talk.error("/token", grant_type="refresh_token", refresh_token=first) == "invalid_grant"
    assert talk.error("/token", grant_type="refresh_token", refresh_token=second) == "invalid_grant"
    assert talk.server.counts["reuse"] == 1


def test_without_reuse_detection_the_grant_lives() -> None:
    talk = Talk(Server(Script(reuse_detection=False)))
    first = talk.signed_in()["refresh_token"]
    second = str(
        talk.said("/token", grant_type="refresh_token", refresh_token=first)["refresh_token"]
    )
    assert talk.error("/token", grant_type="refresh_token", refresh_token=first) == "invalid_grant"
    assert talk.said("/token", grant_type="refresh_token", refresh_token=second)["status"] == 200


def test_without_rotation_the_refresh_token_stays_and_is_not_repeated() -> None:
    talk = Talk(Server(Script(rotation=False)))
    first = talk.signed_in()["refresh_token"]
    for _ in range(2):
        renewed = talk.said("/token", grant_type="refresh_token", refresh_token=first)
        assert renewed["status"] == 200
        assert "refresh_token" not in renewed


def test_a_refresh_narrows_the_scope_but_never_widens_it() -> None:
    talk = Talk(Server(Script(rotation=False)))
    first = talk.signed_in(scope="read write")["refresh_token"]
    ask = {"grant_type": "refresh_token", "refresh_token": first}
    assert talk.error("/token", **ask, scope="read admin") == "invalid_scope"
    assert talk.said("/token", **ask, scope="read")["scope"] == "read"
    assert talk.said("/token", **ask)["scope"] == "read write"


def test_only_the_owner_revokes() -> None:
    talk = Talk(Server())
    token = talk.signed_in()
    assert talk.said("/revoke", client_id="thief", token=token["access_token"])["status"] == 200
    assert talk.said("/introspect", token=token["access_token"])["active"] is True
    talk.send("/revoke", token=token["access_token"])
    assert talk.said("/introspect", token=token["access_token"])["active"] is False
    assert talk.said("/introspect", token=token["refresh_token"])["active"] is True
    talk.send("/revoke", token=token["refresh_token"])
    assert talk.said("/introspect", token=token["refresh_token"])["active"] is False
    assert talk.said("/introspect", token="unknown")["active"] is False


def test_an_access_token_ends_on_time() -> None:
    talk = Talk(Server(Script(token_lifetime=seconds(60))))
    token = talk.signed_in(scope="a")["access_token"]
    told = talk.said("/introspect", token=token)
    assert (told["sub"], told["scope"], told["exp"]) == ("alice", "a", 1767225665)
    request = Request(
        f"{talk.server.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}, method="GET"
    )
    reply = talk.request(request)
    assert isinstance(reply, Response)
    assert json.loads(reply.body) == {"sub": "alice", "client_id": "app"}
    talk.at += seconds(60)
    reply = talk.request(request)
    assert isinstance(reply, Response)
    assert reply.status == 401
    assert reply.header("www-authenticate") == 'Bearer realm="userinfo", error="invalid_token"'


def test_clients_prove_themselves_where_they_are_registered() -> None:
    talk = Talk(Server(Script(clients={"app": "s3cret", "phone": None})))
    ask = {"grant_type": "client_credentials"}
    assert talk.error("/token", **ask) == "invalid_client"
    assert talk.error("/token", **ask, client_secret="wrong") == "invalid_client"
    assert talk.error("/token", **ask, client_id="stranger") == "invalid_client"
    assert talk.error("/token", **ask, client_id="") == "invalid_client"
    assert talk.said("/token", **ask, client_secret="s3cret")["status"] == 200
    assert talk.said("/token", **ask, client_id="phone")["status"] == 200
    assert talk.error("/token", **ask, client_id="phone", client_secret="x") == "invalid_client"


def basic(pair: str, **form: str) -> Request:
    header = "Basic " + b64encode(pair.encode()).decode()
    url = Server().issuer + "/token"
    return Request(
        url, form={"grant_type": "client_credentials"} | form, headers={"Authorization": header}
    )


def test_basic_is_percent_decoded() -> None:
    talk = Talk(Server(Script(clients={"a:b": "s%+ é"})))
    good = talk.request(basic("a%3Ab:s%25%2B%20%C3%A9", client_id="a:b"))
    assert isinstance(good, Response)
    assert good.status == 200
    other = talk.request(basic("a%3Ab:s%25%2B%20%C3%A9", client_id="somebody-else"))
    garbage = evolve_header(basic("x"), "Basic ***")
    for reply in (other, talk.request(garbage)):
        assert isinstance(reply, Response)
        assert reply.status == 401


def evolve_header(request: Request, value: str) -> Request:
    return Request(request.url, form=request.form, headers={"Authorization": value})


def test_what_no_endpoint_takes() -> None:
    talk = Talk(Server())
    assert talk.said("/nowhere")["status"] == 404
    assert talk.error("/token", grant_type="password") == "unsupported_grant_type"
    twice = Request(talk.server.issuer + "/token", form=(("client_id", "a"), ("client_id", "b")))
    get = Request(talk.server.issuer + "/token", method="GET")
    for request, status in ((twice, 400), (get, 405)):
        reply = talk.request(request)
        assert isinstance(reply, Response)
        assert reply.status == status


def test_an_outage_answers_instead_and_may_have_acted() -> None:
    lost = Fault("timeout", "maybe")
    script = Script(
        outages=(
            Outage(seconds(10), seconds(20), lost, acted=True),
            Outage(seconds(30), seconds(40)),
        )
    )
    talk = Talk(Server(script))
    first = talk.signed_in()["refresh_token"]
    talk.at = seconds(10)
    assert talk.send("/token", grant_type="refresh_token", refresh_token=first) == lost
    talk.at = seconds(20)
    assert talk.error("/token", grant_type="refresh_token", refresh_token=first) == "invalid_grant"
    talk.at = seconds(30)
    assert isinstance(talk.send("/device"), Fault)
    assert talk.server.counts["outage"] == 2


def test_the_same_questions_give_the_same_answers() -> None:
    one, two = Talk(Server()), Talk(Server())
    assert one.signed_in() == two.signed_in()
    assert one.server == two.server
    assert Talk(Server(seed="other")).signed_in() != one.signed_in()
