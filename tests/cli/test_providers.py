"""Providers by name: ``login PROVIDER``, a file of one's own, and ``grantflow providers``."""

from __future__ import annotations

import json
import shlex
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from grantflow import providers
from grantflow.cli.context import Context
from grantflow.cli.login.resolve import with_environment
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.secret import Secret
from grantflow.testing import Script, serve
from tests.cli.test_cli import loaded_by
from tests.support.cli_stage import ISSUER, Person, Ran, Stage, Terminal

HOUR = timedelta(hours=1)
SECRET = "hunter2hunter2"

ACME = f"""
[acme]
title = "Acme"
token_endpoint = "{ISSUER}/token"
device_authorization_endpoint = "{ISSUER}/device"
revocation_endpoint = "{ISSUER}/revoke"
auth_methods = ["none", "client_secret_post"]
scope_separator = ","
authorization_scheme = "Acme"

[acme.poll]
rename = {{ device_code = "code" }}

[acme.refresh]
rename = {{ refresh_token = "renew" }}
fixed = {{ again = "yes" }}
"""
TENANTS = f"""
[tenants]
token_endpoint = "{ISSUER}/{{tenant}}/token"
device_authorization_endpoint = "{ISSUER}/{{tenant}}/{{realm}}/device"
"""


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def own(stage: Stage, text: str) -> Path:
    stage.home.mkdir(exist_ok=True)
    path = stage.home / "providers.toml"
    path.write_text(text)
    return path


def form(request: Request) -> dict[str, str]:
    return {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in request.form
    }


def translated(stage: Stage, places: dict[str, str], words: dict[str, str]) -> list[Request]:
    """Put the scripted server behind other addresses and names; keep what is sent."""
    sent: list[Request] = []

    def transport(request: Request) -> Reply:
        sent.append(request)
        pairs = tuple((words.get(name, name), value) for name, value in request.form)
        url = places.get(request.url, request.url)
        return stage.transport(evolve(request, url=url, form=pairs))

    stage.answers_with(transport)
    return sent


def acme(stage: Stage) -> list[Request]:
    return translated(stage, {}, {"code": "device_code", "renew": "refresh_token"})


def github(stage: Stage) -> list[Request]:
    base = "https://github.com/login"
    return translated(
        stage,
        {
            f"{base}/device/code": f"{ISSUER}/device",
            f"{base}/oauth/access_token": f"{ISSUER}/token",
        },
        {},
    )


def login(stage: Stage, *more: str) -> Ran:
    ran = stage.run("login", *more)
    assert ran.code == 0, ran.err
    return ran


# -- a name that came along


def test_a_known_provider_needs_its_name_only(stage: Stage) -> None:
    sent = github(stage)
    ran = login(stage, "github", "--client-id", "app", "--scope", "repo")
    assert ran.err.splitlines()[-1].startswith("Signed in: profile github, expires in 1 hour")
    assert {each.url for each in sent} == {
        "https://github.com/login/device/code",
        "https://github.com/login/oauth/access_token",
    }
    assert stage.profiles()["github"]["provider"] == "github"
    stage.clock.advance(HOUR)
    assert stage.run("token").code == 0
    assert form(sent[-1])["grant_type"] == "refresh_token"


def test_an_alias_is_remembered_by_the_name(stage: Stage) -> None:
    github(stage)
    login(stage, "GHES", "--set", "host=github.com", "--client-id", "app")
    profile = stage.profiles()["github"]
    assert (profile["provider"], profile["values"]) == ("github", [["host", "github.com"]])


def test_status_and_list_say_the_name(stage: Stage) -> None:
    github(stage)
    login(stage, "github", "--client-id", "app")
    where = "github (https://github.com/login/oauth/access_token)"
    assert f"provider                 {where}" in stage.run("status").out.splitlines()
    assert json.loads(stage.run("status", "--json").out)["provider"] == "github"
    assert stage.run("list").out.splitlines()[1].split()[:3] == ["*", "github", "github"]


def test_two_clients_of_one_provider_get_names_of_their_own(stage: Stage) -> None:
    github(stage)
    for client in ("one", "two", "one"):
        login(stage, "github", "--client-id", client)
    assert sorted(stage.profiles()) == ["github", "github-2"]


def test_a_given_token_may_know_its_provider(stage: Stage) -> None:
    ran = stage.run("login", "microsoft", "--token-stdin", stdin="at-1")
    assert ran.code == 0, ran.err
    assert list(stage.profiles()) == ["entra"]
    assert stage.run("token").out == "at-1\n"


# -- one's own


def test_what_an_own_provider_does_its_own_way_outlives_its_file(stage: Stage) -> None:
    path = own(stage, ACME)
    sent = acme(stage)
    login(stage, "acme", "--client-id", "app", "--scope", "a b")
    assert form(sent[0])["scope"] == "a,b"
    assert "code" in form(sent[1])
    path.unlink()

    stage.clock.advance(HOUR)
    assert stage.run("token").code == 0
    renewal = form(sent[-1])
    assert renewal["renew"]
    assert renewal["again"] == "yes"
    assert stage.run("status").code == 0
    ran = stage.run("logout")
    assert ran.err == "Signed out of acme, at the server and here.\n"
    assert sent[-1].url == f"{ISSUER}/revoke"


def test_the_profile_holds_the_spelling_and_no_secret(stage: Stage) -> None:
    own(stage, ACME)
    acme(stage)
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    login(stage, "acme", "--client-id", "app")
    assert stage.profiles()["acme"]["spelling"] == {
        "version": 1,
        "auth_methods": ["none", "client_secret_post"],
        "scope_separator": ",",
        "poll": {"rename": {"device_code": "code"}},
        "refresh": {"rename": {"refresh_token": "renew"}, "fixed": {"again": "yes"}},
        "authorization_scheme": "Acme",
    }
    [token] = stage.tokens()
    text = (stage.home / "profiles.json").read_text()
    for secret in (SECRET, token["access_token"], token["refresh_token"]):
        assert str(secret) not in text


@pytest.mark.parametrize("quickly", [True, False])
def test_a_header_has_the_word_that_the_provider_names(
    stage: Stage, quickly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(stage, ACME)
    acme(stage)
    login(stage, "acme", "--client-id", "app")
    if not quickly:
        monkeypatch.setattr("grantflow.cli.token.quick.printed", lambda *_: False)
    [token] = stage.tokens()
    header = f"Acme {token['access_token']}"
    assert stage.run("token", "--format", "header").out == f"Authorization: {header}\n"
    assert json.loads(stage.run("token", "--format", "headers-json").out) == {
        "Authorization": header
    }
    assert json.loads(stage.run("token", "--format", "json").out)["token_type"] == "Bearer"


def test_a_token_of_the_environment_has_the_word_of_its_profile(stage: Stage) -> None:
    own(stage, ACME)
    acme(stage)
    login(stage, "acme", "--client-id", "app")
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-env")
    assert stage.run("token", "--format", "header").out == "Authorization: Acme at-env\n"
    stage.run("logout", "--local-only")
    assert stage.run("token", "--format", "header").out == "Authorization: Bearer at-env\n"


def test_a_file_of_providers_may_be_named(stage: Stage) -> None:
    own(stage, '[acme]\ntoken_endpoint = "https://elsewhere.example/token"\n')
    (stage.folder / "mine.toml").write_text(ACME)
    acme(stage)
    login(stage, "acme", "--provider-file", "mine.toml", "--client-id", "app")
    profile = stage.profiles()["acme"]
    assert profile["token_endpoint"] == f"{ISSUER}/token"
    assert profile["provider_file"] == str(stage.folder / "mine.toml")


def test_a_named_file_may_be_like_the_user_s_own(stage: Stage) -> None:
    own(stage, ACME)
    (stage.folder / "more.toml").write_text('[other]\nlike = "acme"\nscope_separator = ";"\n')
    sent = acme(stage)
    argv = ("other", "--provider-file", "more.toml", "--client-id", "app", "--scope", "a b")
    login(stage, *argv)
    assert form(sent[0])["scope"] == "a;b"


def test_a_user_s_own_name_wins(stage: Stage) -> None:
    own(stage, ACME.replace("acme", "github"))
    sent = acme(stage)
    login(stage, "github", "--client-id", "app")
    assert sent[0].url == f"{ISSUER}/device"


def test_the_way_to_sign_in_again_is_whole(stage: Stage) -> None:
    (stage.folder / "mine.toml").write_text(ACME + TENANTS.replace("{tenant}/", ""))
    acme(stage)
    translated(stage, {f"{ISSUER}/main/device": f"{ISSUER}/device"}, {})
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    translated(stage, {f"{ISSUER}/main/device": f"{ISSUER}/device"}, {})
    argv = ("tenants", "--provider-file", "mine.toml", "--set", "realm=main", "--client-id", "app")
    login(stage, *argv)
    stage.clock.advance(HOUR)
    ran = stage.run("token", "--no-input")
    assert ran.code == 3
    path = stage.folder / "mine.toml"
    named = f"--provider-file {shlex.quote(str(path))} --set realm=main"
    command = f"grantflow login tenants {named} --client-id app"
    assert f"run: {command} --profile tenants" in ran.err
    assert stage.run(*shlex.split(command)[1:]).code == 0


# -- how the client proves itself


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (("client_secret_post", "client_secret_basic"), "client_secret_post"),
        (("none", "client_secret_basic", "client_secret_post"), "client_secret_basic"),
        (("client_secret_basic_raw",), "client_secret_basic_raw"),
        ((), "client_secret_basic"),
        (("none",), "none"),  # a secret of the environment may belong to another client
    ],
)
def test_the_provider_says_how_a_client_proves_itself(
    stage: Stage, methods: tuple[str, ...], expected: str
) -> None:
    own(stage, ACME.replace('["none", "client_secret_post"]', json.dumps(methods)))
    acme(stage)
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    login(stage, "acme", "--client-id", "app")
    assert stage.profiles()["acme"].get("client_auth", "none") == expected


def test_a_provider_that_wants_a_proof_is_not_asked_without(stage: Stage) -> None:
    ran = stage.run("login", "google", "--client-id", "app")
    assert ran.code == 2
    complaint = ran.complaint()
    assert "google requires client authentication (client_secret_post)" in complaint
    assert "--client-secret-file FILE" in complaint
    assert stage.transport.requests == []


def test_none_tries_without_a_proof_and_says_so_again(stage: Stage) -> None:
    own(stage, ACME.replace('"none", ', ""))
    acme(stage)
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    acme(stage)
    login(stage, "acme", "--client-id", "app", "--client-auth", "none")
    stage.clock.advance(HOUR)
    assert "--client-auth none" in stage.run("token", "--no-input").err


# -- what is wrong

LOGIN = ("--client-id", "app")


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("githbu",), "unknown provider 'githbu'; did you mean 'github'"),
        (("qqqqqq",), "unknown provider 'qqqqqq'; grantflow providers lists them"),
        (("github", "--issuer", ISSUER), "PROVIDER and --issuer exclude each other"),
        (
            ("github", "--token-endpoint", f"{ISSUER}/t"),
            "PROVIDER and --token-endpoint exclude each other",
        ),
        (("--set", "a=b", "--issuer", ISSUER), "--set is about a PROVIDER, and none is named"),
        (("--provider-file", "f", "--issuer", ISSUER), "--provider-file is about a PROVIDER"),
        (("github", "--set", "host"), "--set: NAME=VALUE is needed"),
        (("github", "--set", "=x"), "--set: NAME=VALUE is needed"),
        (("github", "--set", "hots=x"), "--set hots: provider 'github' takes no such value"),
        (("github", "--set", "hots=x"), "did you mean host?"),
        (("github", "--set", "host=a/b"), "--set host: a host name with an optional port"),
        (("github", "--set", "host=a", "--set", "host=b"), "--set host is given twice"),
        (("entra",), "entra needs its tenant; add --set tenant=TENANT"),
        (("tenants",), "its tenant and realm; add --set tenant=TENANT --set realm=REALM"),
        (("tenants", "--set", "tenant=a"), "its realm; add --set realm=REALM"),
        (("entra", "--set", "tennant=x"), "--set tennant: provider 'entra' takes no such value"),
        (("spotify",), "spotify has no device grant; use --grant client"),
        (("slack",), "slack has no device grant; use --refresh-token-stdin"),
        (("github", "--provider-file", "none.toml"), "none.toml: No such file"),
        (("github", "--provider-file", "."), "cannot read "),
    ],
)
def test_a_wrong_name_or_value_is_usage(stage: Stage, argv: tuple[str, ...], hint: str) -> None:
    own(stage, TENANTS)
    ran = stage.run("login", *argv, *LOGIN)
    assert ran.code == 2
    assert hint in ran.complaint()
    assert stage.transport.requests == []


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (b"[acme\n", "providers.toml, line 1: Expected ']'"),
        (b'[acme]\nencoding = "form\n', "providers.toml, line 2: "),
        (b"[acme]\n\na", "providers.toml, line 3: Expected '='"),
        (b"\xff", "providers.toml is not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "providers.toml is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_usage_and_says_where(
    stage: Stage, text: bytes, hint: str
) -> None:
    own(stage, "").write_bytes(text)
    for argv in (("login", "github", *LOGIN), ("providers",), ("providers", "github")):
        ran = stage.run(*argv)
        assert ran.code == 2
        assert hint in ran.complaint()
    assert stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1").code == 0


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        (
            "[acme]\n\nencodign = 1\ninterval = 0\n",
            (
                "line 3: [acme] encodign: unknown key; did you mean",
                "line 4: [acme] interval: a number of seconds above zero is needed",
                "line 1: [acme] token_endpoint: it is missing",
            ),
        ),
        ("[acme]\n[acme.poll]\nrenam = 1", ("line 3: [acme.poll] renam: unknown key",)),
        ("acme = 1", ("line 1: [acme]: a table is needed",)),
        (
            '[acme]\ntoken_endpoint = "https://a.example"\nauth_methods = "client_secret_past"',
            ("line 3: [acme] auth_methods: unknown method 'client_secret_past'; did you mean",),
        ),
    ],
)
def test_a_table_with_mistakes_is_told_and_stops_no_other(
    stage: Stage, text: str, hints: tuple[str, ...]
) -> None:
    path = own(stage, text)
    ran = stage.run("providers", "github")
    assert ran.code == 0
    for hint in hints:
        assert f"{path}, {hint}" in ran.err
    ran = stage.run("providers", "acme")
    assert ran.code == 2
    assert hints[-1] in ran.err


def test_a_secret_in_the_file_is_refused_and_not_repeated(stage: Stage) -> None:
    own(stage, ACME + f'\n[other]\nlike = "github"\nclient_secret = "{SECRET}"\n')
    ran = stage.run("login", "other", *LOGIN)
    assert ran.code == 2
    assert "[other] client_secret: this does not belong in the file" in ran.err
    assert SECRET not in ran.err


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [
        ({"version": 2}, "was written by another version of grantflow"),
        ({"version": 1, "pol": {}}, "its provider's pol: unknown key"),
        ({"version": 1, "poll": {"method": "PUT"}}, "its provider's method: one of POST, GET"),
    ],
)
def test_a_spelling_that_is_not_understood_is_told_when_it_is_needed(
    stage: Stage, spelling: dict[str, object], hint: str
) -> None:
    own(stage, ACME)
    acme(stage)
    login(stage, "acme", *LOGIN)
    document = stage.document()
    document["profiles"] = {"acme": {**stage.profiles()["acme"], "spelling": spelling}}
    (stage.home / "profiles.json").write_text(json.dumps(document))
    assert stage.run("token").code == 0
    stage.clock.advance(HOUR)
    ran = stage.run("token")
    assert ran.code == 2
    assert hint in ran.complaint()


# -- the list


def test_the_list_names_every_provider_its_grants_and_its_needs(stage: Stage) -> None:
    own(stage, TENANTS)
    ran = stage.run("providers")
    assert ran.code == 0
    head, *rows = ran.out.splitlines()
    assert head.split() == ["NAME", "GRANTS", "VALUES", "VERIFIED", "BY", "PROVIDER"]
    assert [row.split()[0] for row in rows] == sorted((*providers.names(), "tenants"))
    shown = {row.split()[0]: " ".join(row.split()[1:]) for row in rows}
    entra = "device, client credentials tenant [host] SDK Microsoft Entra ID (v2.0)"
    assert shown["entra"] == entra
    assert shown["spotify"] == "client credentials - documentation Spotify"
    assert shown["slack"].startswith("- - SDK Slack")
    assert shown["tenants"] == "device tenant realm - tenants (yours)"
    assert str(stage.home / "providers.toml") in ran.err


def test_the_list_for_programs(stage: Stage) -> None:
    own(stage, TENANTS)
    ran = stage.run("providers", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = {each["name"]: each for each in json.loads(ran.out)}
    assert found.keys() == {*providers.names(), "tenants"}
    assert {name for name, each in found.items() if each["own"]} == {"tenants"}
    github = found["github"]
    assert github["grants"] == ["device"]
    assert github["required"] == {"device": []}
    assert github["needs"] == [
        {
            "name": "host",
            "kind": "host",
            "default": "github.com",
            "choices": [],
            "environment": None,
            "hint": None,
        }
    ]
    again = providers.provider_from("github", github["provider"])
    assert again == providers.template("github").provider
    assert json.loads(stage.run("providers", "ghes", "--json").out) == github


@pytest.mark.parametrize("name", providers.names())
def test_what_is_shown_of_one_can_be_pasted(stage: Stage, name: str) -> None:
    ran = stage.run("providers", name)
    assert (ran.code, ran.err) == (0, "")
    known = providers.template(name)
    found = providers.with_own(tomllib.loads(ran.out)).template(name)
    assert found.provider == known.provider
    assert {each.name: each for each in found.needs} == {each.name: each for each in known.needs}
    assert (found.client_id, found.grants) == (known.client_id, known.grants)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("github", "grantflow login github --client-id ID"),
        ("aws", "grantflow login aws --set region=REGION --set start_url=START_URL"),
        ("dagshub", "grantflow login dagshub"),
        ("entra", "grantflow login entra --set tenant=TENANT --client-id ID --scope SCOPE"),
        ("google", "grantflow login google --client-id ID --client-secret-file FILE"),
        (
            "entra-v1",
            "grantflow login entra-v1 --set tenant=TENANT --client-id ID --resource RESOURCE",
        ),
        ("auth0", "grantflow login auth0 --set host=HOST --client-id ID"),
        (
            "auth0",
            (
                "grantflow login auth0 --set host=HOST --client-id ID --client-secret-file FILE "
                "--audience AUDIENCE --grant client_credentials"
            ),
        ),
        (
            "spotify",
            (
                "grantflow login spotify --client-id ID --client-secret-file FILE "
                "--grant client_credentials"
            ),
        ),
    ],
)
def test_the_way_to_sign_in_is_shown(stage: Stage, name: str, command: str) -> None:
    assert f"# {command}" in stage.run("providers", name).out.splitlines()


def test_the_file_that_the_help_shows_is_one(stage: Stage) -> None:
    text = stage.run("providers", "--help").out.partition("# mine.toml")[2].partition("\n")[2]
    path = stage.folder / "mine.toml"
    path.write_text("\n".join(line.strip() for line in text.splitlines()))
    ran = stage.run("providers", "our-github", "--provider-file", str(path))
    assert ran.code == 0, ran.err
    assert 'needs.host = { default = "git.example.com" }' in ran.out
    shown = stage.run("providers", "acme", "--provider-file", str(path)).out
    assert 'poll = { rename = { device_code = "code" } }' in shown


def test_a_file_with_a_byte_order_mark_is_read(stage: Stage) -> None:
    own(stage, "").write_bytes(b"\xef\xbb\xbf" + TENANTS.encode())
    assert stage.run("providers", "tenants").code == 0


def test_a_fresh_token_of_an_own_provider_loads_no_provider(stage: Stage) -> None:
    own(stage, ACME)
    acme(stage)
    login(stage, "acme", "--client-id", "app")
    stage.rewrites_token(expires_at="2999-01-01T00:00:00+00:00")
    loaded = loaded_by(stage.home, "token", "--min-ttl", "1.0")
    assert "grantflow.cli.commands.token" in loaded
    assert not {each for each in loaded if each.startswith("grantflow.providers")}
    assert "tomllib" not in loaded


def test_a_misspelt_name_is_met_with_the_nearest(stage: Stage) -> None:
    ran = stage.run("providers", "keyclaok")
    assert ran.code == 2
    assert ran.complaint() == "grantflow: unknown provider 'keyclaok'; did you mean 'keycloak'?"


def test_the_list_is_cut_to_the_screen(stage: Stage) -> None:
    stage.monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    with stage.monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        stage.run("providers")
    assert max(map(len, terminal.getvalue().splitlines())) == 60


# -- a real server


def test_an_own_provider_on_loopback_from_login_to_logout(stage: Stage) -> None:
    script = Script(interval=timedelta(seconds=1), approve_after=timedelta())
    with serve(script) as server:
        monkeypatch = stage.monkeypatch
        monkeypatch.undo()
        stage.context = Context(terminal=Person())
        monkeypatch.setenv("GRANTFLOW_HOME", str(stage.home))
        monkeypatch.chdir(stage.folder)
        path = own(stage, ACME.replace(ISSUER, server.issuer).partition("[acme.poll]")[0])
        login(stage, "acme", "--client-id", "app", "--no-browser", "--scope", "read")
        path.unlink()
        assert stage.run("token", "--min-ttl", "7200").code == 1, "renewed, and still too short"
        assert server.server.counts["refresh"] == 1
        assert stage.run("logout").code == 0
        assert server.server.counts["revoke"] == 2


@pytest.mark.parametrize(
    ("name", "variable"), [("dagshub", "DAGSHUB_CLIENT_HOST"), ("dvc-studio", "DVC_STUDIO_URL")]
)
def test_a_provider_s_own_variable_names_its_host(name: str, variable: str) -> None:
    found = providers.template(name)
    context = Context(environment={variable: "https://own.acme.example/"})
    assert with_environment(found, (), context) == (("host", "own.acme.example"),)
    given = (("host", "given.acme.example"),)
    assert with_environment(found, given, context) == given
    assert with_environment(found, (), Context(environment={variable: ""})) == ()


def test_a_table_with_an_issuer_discovers_its_endpoints(stage: Stage) -> None:
    own(stage, f'[acme]\nissuer = "{ISSUER}"\nscope = ["openid"]\n')
    ran = stage.run("providers", "acme")
    assert ran.code == 0
    shown = tomllib.loads(ran.out)["acme"]
    assert shown["issuer"] == ISSUER
    assert "token_endpoint" not in shown
    assert stage.run("login", "acme", "--client-id", "app").code == 0
    profile = stage.profiles()["acme"]
    assert profile["token_endpoint"] == f"{ISSUER}/token"
    assert stage.run("token").code == 0
    assert stage.run("logout").code == 0


def test_what_is_printed_is_a_file(stage: Stage) -> None:
    for name in ("github", "aws", "keycloak"):
        path = stage.folder / "printed.toml"
        path.write_text(stage.run("providers", name).out)
        assert stage.run("providers", "check", str(path)).code == 0
