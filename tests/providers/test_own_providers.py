"""A user's own providers: tables whose keys are the fields, and mistakes that are named."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import AttrsInstance
from hypothesis import given, settings
from hypothesis import strategies as st

from grantflow import Provider, Secret, providers
from grantflow.core.client.dialect import (
    CODES,  # pyright: ignore[reportPrivateImportUsage]
    MEMBERS,
    PARAMETERS,
    RequestFormat,
    ResponseFormat,
)
from grantflow.core.structure import kinds, shape_of
from grantflow.providers import Catalog, Template, Variable, document_of, provider_from
from tests.support.effort import effort
from tests.support.provider_fields import PLAIN, SPELLING, at, changed

WHERE = {"token_endpoint": "https://a.example/token"}


def read(text: str) -> Catalog:
    found = providers.with_own(tomllib.loads(text))
    assert not found.mistakes
    return found


def mistake(text: str) -> str:
    [found, *_] = providers.with_own(tomllib.loads(text)).mistakes
    return str(found)


def acme(*lines: str) -> str:
    return "\n".join(("[acme]", 'token_endpoint = "https://a.example/token"', *lines))


# -- the keys are the fields


@pytest.mark.parametrize("path", SPELLING, ids=".".join)
def test_every_field_can_be_written_and_is_read(path: tuple[str, ...]) -> None:
    document, held = changed(path)
    found = providers.with_own({"acme": document}).template("acme").provider
    assert at(found, path) == held
    assert [each for each in SPELLING if at(found, each) != at(PLAIN, each)] == [path]
    assert provider_from("acme", json.loads(json.dumps(document_of(found)))) == found


@pytest.mark.parametrize("kind", [Template, Variable])
def test_every_other_key_has_a_shape(kind: type[AttrsInstance]) -> None:
    for name, each in kinds(kind).items():
        if name not in ("provider", "needs"):
            assert shape_of(each).phrase


def test_a_field_without_a_shape_is_a_mistake_that_is_seen() -> None:
    with pytest.raises(TypeError, match="has no shape"):
        shape_of(set[str])


texts = st.text(st.characters(codec="utf-8"), max_size=6)
codes = st.sampled_from(sorted(CODES))
parameters = st.sampled_from(sorted(PARAMETERS))
members = st.sampled_from(sorted(MEMBERS))
names = st.lists(st.tuples(parameters, texts), max_size=3).map(tuple)
words = st.lists(st.tuples(texts, codes), max_size=3).map(tuple)
several = st.lists(texts, max_size=3).map(tuple)
statuses = st.lists(st.tuples(st.integers(100, 599), codes), max_size=3).map(tuple)
askings = st.builds(
    RequestFormat,
    method=st.sampled_from(["POST", "GET"]),
    encoding=st.sampled_from([None, "form", "json", "query"]),
    rename=names,
    drop=st.lists(parameters, max_size=3).map(tuple),
    fixed=st.lists(st.tuples(texts.map(lambda text: f"x{text}"), texts), max_size=3).map(tuple),
    echo=several,
)
answers = st.builds(
    ResponseFormat,
    root=several,
    fields=st.lists(st.tuples(members, several), max_size=3).map(tuple),
    error=several,
    sub_error=st.none() | texts,
    codes=words,
    poll_statuses=statuses,
    milliseconds=st.lists(st.sampled_from(["device", "token"]), max_size=2).map(tuple),
)
spelt = st.builds(
    Provider,
    name=st.just("acme"),
    token_endpoint=st.just("https://a.example/{token}"),
    headers=st.lists(st.tuples(st.sampled_from(["A", "B"]), st.just("x y")), max_size=3).map(tuple),
    scope_separator=st.none() | texts,
    device=askings,
    poll=askings,
    answers=answers,
    interval=st.integers(1, 10**9).map(lambda number: timedelta(microseconds=number)),
    shows_code=st.booleans(),
)


@settings(max_examples=effort(25, 60), deadline=None)
@given(provider=spelt)
def test_what_is_written_is_read_back(provider: Provider) -> None:
    document = json.loads(json.dumps(document_of(provider)))
    assert provider_from("acme", document) == provider


@pytest.mark.parametrize("name", providers.names())
def test_every_known_provider_is_read_back(name: str) -> None:
    known = providers.template(name).provider
    document = json.loads(json.dumps(document_of(known)))
    assert provider_from(name, document) == known


def test_a_secret_is_never_written() -> None:
    secret = Provider(
        name="acme",
        token_endpoint=WHERE["token_endpoint"],
        headers={"client-secret": Secret("hunter2")},
    )
    with pytest.raises(ValueError, match="a secret is not written") as caught:
        document_of(secret)
    assert "hunter2" not in str(caught.value)


# -- a template


def test_a_gap_is_a_need_and_its_place_says_what_it_may_hold() -> None:
    catalog = read(
        """
        [acme]
        token_endpoint = "https://{region}.acme.example/{realm}/token"
        device_authorization_endpoint = "https://{host}:8443/device"
        """
    )
    needs = {need.name: need.kind for need in catalog.template("acme").needs}
    assert needs == {"region": "label", "realm": "word", "host": "host"}
    found = catalog.find("acme", region="eu", realm="main", host="id.example.com")
    assert found.token_endpoint == "https://eu.acme.example/main/token"
    assert found.device_authorization_endpoint == "https://id.example.com:8443/device"
    for wrong in ({"region": "evil.example/"}, {"realm": "a/b"}, {"host": "a.b/c"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            catalog.find("acme", **{"region": "eu", "realm": "main", "host": "h", **wrong})


def test_a_need_is_declared_to_say_more_of_it() -> None:
    catalog = read(
        """
        [acme]
        token_endpoint = "https://{host}{path}/token"
        [acme.needs]
        path = { kind = "path", default = "/auth" }
        host.choices = ["a.example", "b.example"]
        """
    )
    found = catalog.find("acme", host="a.example")
    assert found.token_endpoint == "https://a.example/auth/token"
    with pytest.raises(ValueError, match=r"host: one of a\.example, b\.example"):
        catalog.find("acme", host="c.example")


def test_like_begins_with_a_known_one_and_changes_some_of_it() -> None:
    catalog = read(
        """
        [acme]
        like = "entra"
        lifetime = 60
        revocation_endpoint = "https://{host}/{tenant}/revoke"
        [acme.answers]
        milliseconds = "device"
        [acme.needs.tenant]
        default = "acme.example"
        """
    )
    entra = providers.find("entra", tenant="acme.example")
    found = catalog.find("acme")
    assert found.device_authorization_endpoint == entra.device_authorization_endpoint
    assert found.answers.codes == entra.answers.codes
    assert found.answers.milliseconds == ("device",)
    assert found.lifetime == timedelta(minutes=1)
    assert found.revocation_endpoint == "https://login.microsoftonline.com/acme.example/revoke"
    assert catalog.template("acme").grants == ("device", "client_credentials")
    assert catalog.template("microsoft").name == "entra"


def test_like_may_name_one_of_those_above() -> None:
    catalog = read(
        """
        [acme]
        like = "github"
        scope_separator = ","
        [github]
        like = "acme"
        poll.method = "GET"
        """
    )
    assert catalog.find("github").scope_separator == ","
    assert catalog.find("github").poll.method == "GET"
    below = '[one]\nlike = "two"\n[two]\nlike = "github"\n'
    assert "[one] like: unknown provider 'two'" in mistake(below)


def test_false_says_none() -> None:
    catalog = read('[acme]\nlike = "gitlab"\nrevocation_endpoint = false\n')
    assert catalog.find("acme").revocation_endpoint is None


def test_a_user_s_own_names_and_aliases_win() -> None:
    catalog = read(
        """
        [github]
        like = "github"
        [github.needs.host]
        default = "git.acme.example"
        [acme]
        token_endpoint = "https://a.example/token"
        aliases = ["GitLab"]
        """
    )
    assert catalog.find("GitHub").token_endpoint.startswith("https://git.acme.example/")
    assert catalog.find("ghes", host="x.example").token_endpoint.startswith("https://x.example/")
    assert catalog.find("gitlab").token_endpoint == "https://a.example/token"
    assert set(catalog.names()) == {*providers.names(), "acme"}


def test_an_unknown_name_is_met_with_the_nearest_of_both() -> None:
    with pytest.raises(LookupError, match="did you mean acme-test"):
        read('[acme-test]\ntoken_endpoint = "https://a.example/"').template("acme-tset")


# -- what is wrong

WRONG = {
    'acme = "https://a.example"': "[acme]: a table is needed",
    "[acme]": "[acme] token_endpoint: it is missing",
    '["a b"]\nlike = "github"': "[a b]: a name is made of letters",
    acme("name = 'x'"): "[acme] name: unknown key",
    acme("scope_seperator = ','"): "scope_seperator: unknown key; did you mean scope_separator",
    acme("[acme.pol]", "method = 'GET'"): "[acme] pol: unknown key; did you mean poll",
    acme("[acme.poll]", "renam = {}"): "[acme.poll] renam: unknown key; did you mean rename?",
    acme("[acme.answers]", "rename = {}"): "[acme.answers] rename: unknown key",
    acme("codes = {}"): "[acme] codes: unknown key here; it belongs in [acme.answers]",
    acme("zzz = 1"): "[acme] zzz: unknown key; there are like, token_endpoint,",
    acme("title = 1"): "[acme] title: text is needed",
    acme("poll = 'GET'"): "[acme] poll: a table [acme.poll] is needed",
    acme("encoding = 'xml'"): "[acme] encoding: one of form, json is needed",
    acme("auth_methods = 1"): "[acme] auth_methods: text or a list of texts is needed",
    acme("auth_methods = ['none', 1]"): "auth_methods: text or a list of texts is needed",
    acme("interval = '5'"): "[acme] interval: a number of seconds above zero is needed",
    acme("interval = 0"): "a number of seconds above zero is needed",
    acme("interval = nan"): "a number of seconds above zero is needed",
    acme("interval = true"): "a number of seconds above zero is needed",
    acme("shows_code = 'no'"): "[acme] shows_code: true or false is needed",
    acme("poll_at = true"): "[acme] poll_at: text, or false for none, is needed",
    acme("headers = ['a']"): "[acme] headers: a table such as { name = text } is needed",
    acme("headers = { a = 1 }"): "[acme] headers: a table such as { name = text } is needed",
    acme('headers = { A = "b\\nc" }'): "[acme] headers: A: no header can hold its value",
    acme('headers = { "A b" = "c" }'): "[acme] headers: 'A b' is no header name",
    acme("answers.codes = { x = 'autorization_pending' }"): (
        "[acme.answers] codes: unknown name 'autorization_pending'; did you mean authorization_pen"
    ),
    acme("answers.poll_statuses = { 404 = 'pending' }"): (
        "[acme.answers] poll_statuses: unknown name 'pending'; did you mean authorization_pending"
    ),
    acme("poll.drop = 'granttype'"): "[acme.poll] drop: unknown name 'granttype'; did you mean gra",
    acme("poll.rename = { devicecode = 'c' }"): "rename: unknown name 'devicecode'; did you mean",
    acme("answers.fields = { acess_token = 'c' }"): "fields: unknown name 'acess_token'; did you",
    acme("answers.fields = { a = 1 }"): "fields: a table such as { name = [texts] } is needed",
    acme("answers.poll_statuses = { ok = 'x' }"): "a table such as { 400 = text } is needed",
    acme("issuer = 2026-01-01"): "[acme] issuer: text, or false for none, is needed",
    acme("userinfo_endpoint = 'http://a.example'"): "[acme] userinfo_endpoint: must be https",
    acme("issuer = 'https://{}'"): "[acme] issuer: a gap is a name in braces, such as {host}",
    acme("issuer = 'https://{a.b}'"): "[acme] issuer: a gap is a name in braces",
    acme("issuer = 'https://{a!r}'"): "[acme] issuer: a gap is a name in braces",
    acme("issuer = 'https://{'"): "[acme] issuer: a gap is a name in braces",
    acme("issuer = 'https://a.{top}'"): "{top} ends a host name",
    acme("[acme.needs.tenant]"): "[acme.needs] tenant: there is no gap {tenant}",
    acme("needs = 1"): "[acme] needs: a table for each of them is needed",
    acme("issuer = 'https://{host}'", "needs.hsot = {}"): "{hsot}; did you mean host?",
    acme("issuer = 'https://{host}'", "needs.host = 'x'"): "a table is needed: [acme.needs.host]",
    acme(
        "issuer = 'https://{host}'", "needs.host.kind = 'x'"
    ): "one of host, word, label, path, text, url is",
    acme("issuer = 'https://{host}'", "needs.host.defualt = 'x'"): "did you mean default?",
    acme("issuer = 'https://{host}'", "needs.host.default = 'a/b'"): "default: a host name with",
    acme("like = 'githbu'"): "[acme] like: unknown provider 'githbu'; did you mean github",
    acme("like = 1"): "[acme] like: the name of a provider is needed",
    acme("aliases = ['b']", "[b]", "like = 'github'"): "[b]: [acme] is called b as well",
    acme("[ACME]", "like = 'github'"): "[ACME]: [acme] is called ACME as well",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text.replace("\n", " ")[-50:])
def test_a_mistake_names_its_table_its_key_and_what_is_needed(text: str) -> None:
    assert WRONG[text] in mistake(text)


@pytest.mark.parametrize(
    "line",
    [
        "client_secret = 'hunter2'",
        "password = 'hunter2'",
        "headers = { Authorization = 'hunter2' }",
        "headers = { X = 'ok', cookie = 'hunter2' }",
        "poll.fixed = { client_secret = 'hunter2' }",
        "refresh.fixed = { refresh_token = 'hunter2' }",
        "interval = 'hunter2'",
        "encoding = 'hunter2'",
        "poll.fixed = 'hunter2'",
        "hunter = 'hunter2'",
    ],
)
def test_what_was_written_is_not_repeated(line: str) -> None:
    assert "hunter2" not in mistake(acme(line))


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("client_secret = 'x'", "[acme] client_secret: this does not belong"),
        ("headers = { Authorization = 'x' }", "[acme] headers: Authorization is a secret"),
        ("poll.fixed = { client_secret = 'x' }", "[acme.poll] fixed: client_secret is a secret"),
    ],
)
def test_what_does_not_belong_there_is_told_where_it_does(line: str, advice: str) -> None:
    assert advice in mistake(acme(line))


# -- what the data says of grants


def test_client_credentials_are_claimed_where_a_case_shows_them() -> None:
    from tests.support.provider_cases import CASES

    shown = {each.provider for each in CASES if (each.where, each.expected) == ("token", "token")}
    claimed = {
        name
        for name in providers.names()
        if "client_credentials" in providers.template(name).grants
    }
    assert claimed == shown - {"dagshub"}  # whose cases are of a code that is exchanged


# -- the pages

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_shows_are_read(page: Path) -> None:
    for text in TOML.findall(page.read_text(encoding="utf-8")):
        catalog = read(text)
        for name in tomllib.loads(text):
            needs = catalog.template(name).needs
            values = {each.name: each.choices[0] if each.choices else "a" for each in needs}
            given = {**values, **usual(needs)}
            if catalog.template(name).discovers:
                assert catalog.template(name).issuer(given)
            else:
                assert catalog.find(name, **given).token_endpoint


def usual(needs: tuple[Variable, ...]) -> dict[str, str]:
    return {each.name: each.default for each in needs if each.default is not None}


def test_a_provider_of_one_s_own_may_know_its_public_client() -> None:
    assert read(acme("client_id = 'our-app'")).template("acme").client_id == "our-app"
    assert read(acme()).template("acme").client_id is None


def test_what_a_machine_has_to_ask_for_is_told_by_grant() -> None:
    table = {
        "token_endpoint": "https://acme.example/token",
        "device_authorization_endpoint": "https://acme.example/device",
        "auth_methods": ["none", "client_secret_post", "private_key_jwt"],
        "client_credentials": True,
        "required": ["resource", "scope"],
        "machine_required": ["audience"],
        "machine_methods": ["client_secret_post"],
    }
    acme = providers.with_own({"acme": table}).template("acme")
    assert acme.required_for("device") == ("scope", "resource")
    assert acme.required_for("client_credentials") == ("scope", "audience", "resource")
    assert acme.methods_for("device") == ("none", "client_secret_post", "private_key_jwt")
    assert acme.methods_for("client_credentials") == ("client_secret_post",)
    usual = providers.with_own({"acme": {**table, "scope": ["a"], "audience": "b"}})
    assert usual.template("acme").required_for("client_credentials") == ("resource",)


def test_what_is_required_is_one_of_three() -> None:
    table = {"token_endpoint": "https://acme.example/token", "required": ["scopes"]}
    [mistake] = providers.with_own({"acme": table}).mistakes
    assert str(mistake) == "[acme] required: unknown name 'scopes'; did you mean scope?"
