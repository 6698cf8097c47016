"""A token for this host: one lookup for ``token --for``, git, docker and the library."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from grantflow import GrantError, ProfileError, TokenSource, __main__
from grantflow.aio import AsyncTokenSource
from grantflow.cli.token import quick
from grantflow.core.values.errors import InteractionRequired
from grantflow.integrations.requests import TokenAuth
from grantflow.shell.profiles.profiles import load
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Ran, Stage

HOUR = timedelta(hours=1)
API = "https://api.example"


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays(Script(approve_after=timedelta()))
    return made


def given(stage: Stage, name: str, *more: str) -> None:
    ran = stage.run("login", "--token-stdin", "--profile", name, *more, stdin=f"at-{name}")
    assert ran.code == 0, ran.err


# -- which profile


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{API}/v1/me?x=1", "one"),
        (f"{API}:443/", "one"),
        ("HTTPS://API.EXAMPLE", "one"),
        ("https://b.example:8443/", "one"),
        ("http://127.0.0.1:9000/mcp", "two"),
        (f"{ISSUER}/userinfo", "here"),
    ],
)
def test_a_profile_is_found_by_its_origins(stage: Stage, url: str, name: str) -> None:
    given(stage, "one", "--origin", API, "--origin", "https://b.example:8443/x/y")
    given(stage, "two", "--origin", "http://127.0.0.1:9000/mcp")
    given(stage, "here", "--issuer", ISSUER)
    assert stage.run("token", "--for", url).out == f"at-{name}\n"
    assert TokenSource.for_url(url).token().access_token.reveal() == f"at-{name}"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://api.example.evil.example/",
        "https://api.example:8443/",
        "https://api.example@evil.example/",
    ],
)
def test_a_token_goes_nowhere_else(stage: Stage, url: str) -> None:
    given(stage, "one", "--origin", API, "--issuer", ISSUER)
    ran = stage.run("token", "--for", url)
    assert ran.code == 1
    assert "no profile has a token for" in ran.complaint()
    with pytest.raises(ProfileError, match="no profile has a token"):
        TokenSource.for_url(url)


@pytest.mark.parametrize("url", ["http://api.example/", "api.example", "", "https://[", "ftp://a"])
def test_what_is_no_place_for_a_token_is_usage(stage: Stage, url: str) -> None:
    given(stage, "one", "--origin", API)
    ran = stage.run("token", "--for", url)
    assert ran.code == 2
    assert "an https URL is needed" in ran.complaint()


def test_origins_outrank_the_server_that_signs_in(stage: Stage) -> None:
    given(stage, "one", "--origin", API, "--issuer", ISSUER)
    assert stage.run("token", "--for", ISSUER).code == 1


def test_of_several_the_default_one_is_taken_or_the_closest_resource(stage: Stage) -> None:
    given(stage, "one", "--origin", API)
    given(stage, "mail", "--origin", API, "--resource", f"{API}/mail")
    given(stage, "other")
    stage.run("default", "other")
    ran = stage.run("token", "--for", f"{API}/x")
    assert ran.code == 2
    assert "several profiles have a token for https://api.example; name one of one, mail" in (
        ran.complaint()
    )
    assert stage.run("token", "--for", f"{API}/mail/inbox").out == "at-mail\n"
    assert stage.run("token", "--for", f"{API}/mails").code == 2
    stage.run("default", "one")
    assert stage.run("token", "--for", f"{API}/x").out == "at-one\n"
    assert stage.run("token", "--for", f"{API}/mail/inbox").out == "at-mail\n"
    assert stage.run("token", "mail", "--for", f"{API}/x").out == "at-mail\n"


def test_a_named_profile_has_to_be_for_the_url(stage: Stage) -> None:
    given(stage, "one", "--origin", API)
    ran = stage.run("token", "one", "--for", "https://b.example")
    assert ran.code == 2
    assert "the token of one goes to https://api.example, not to that URL" in ran.complaint()


def test_one_damaged_profile_hides_no_other(stage: Stage) -> None:
    given(stage, "one", "--origin", API)
    document = stage.document()
    document["profiles"] = {"bad": {"grant": "magic"}, **stage.profiles()}
    (stage.home / "profiles.json").write_text(json.dumps(document))
    assert stage.run("token", "--for", API).out == "at-one\n"


@pytest.mark.parametrize(
    "text", ["http://api.example", "api.example", "https://u:p@a.example", "https://a\\b", ""]
)
def test_an_origin_that_no_token_may_go_to_is_usage(stage: Stage, text: str) -> None:
    ran = stage.run("login", "--token-stdin", "--profile", "p", "--origin", text, stdin="at")
    assert ran.code == 2
    assert "--origin: an https URL is needed" in ran.complaint()


def test_a_login_repeats_its_origins(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login("--origin", f"{API}/mcp")
    stage.clock.advance(2 * HOUR)
    ran = stage.run("token", "--for", API, "--no-input")
    assert ran.code == 3
    assert f"--origin {API}" in ran.complaint()


# -- git and docker


def git(stage: Stage, host: str, *argv: str, more: str = "") -> Ran:
    asked = f"protocol=https\nhost={host}\n{more}\n"
    return stage.run("token", *argv, "--format", "git-credential", "get", stdin=asked)


def test_one_git_helper_serves_every_profile(stage: Stage) -> None:
    given(stage, "one", "--origin", "https://git.example")
    given(stage, "two", "--origin", "https://code.example:8443")
    assert "password=at-one\n" in git(stage, "git.example").out
    assert "password=at-two\n" in git(stage, "code.example:8443").out
    assert git(stage, "evil.example").out == ""
    assert git(stage, "git.example", "two").out == ""


def test_the_quick_way_knows_origins(stage: Stage) -> None:
    given(stage, "one", "--origin", "https://git.example", "--issuer", ISSUER)
    argv = ["token", "one", "--format", "git-credential", "get"]
    for host, expected in [
        ("git.example", ["username=oauth2", "password=at-one"]),
        ("server.test", None),
    ]:
        stage.monkeypatch.setattr("sys.stdin", io.StringIO(f"protocol=https\nhost={host}\n\n"))
        assert quick.answer(argv, stage.now()) == expected


def test_the_provider_s_user_name_goes_with_the_token(stage: Stage) -> None:
    given(stage, "bb", "bitbucket", "--origin", "https://bitbucket.org")
    assert git(stage, "bitbucket.org").out.splitlines() == [
        "username=x-token-auth",
        "password=at-bb",
    ]
    assert git(stage, "bitbucket.org", "--username", "me").out.startswith("username=me\n")
    assert git(stage, "bitbucket.org", more="username=you\n").out.startswith("username=you\n")
    assert stage.run("token", "--username", "me").code == 2


BEARER = 'wwwauth[]=Bearer realm="git"\n'


@pytest.mark.parametrize(
    ("more", "bearer"),
    [
        (f"capability[]=authtype\n{BEARER}", True),
        (BEARER, False),
        (f'capability[]=authtype\n{BEARER}wwwauth[]=Basic realm="git"\n', False),
        ("capability[]=authtype\n", False),
        (f"capability[]=state\n{BEARER}", False),
    ],
)
def test_a_server_that_wants_the_token_itself_gets_it(
    stage: Stage, more: str, bearer: bool
) -> None:
    given(stage, "one", "--origin", "https://git.example")
    ran = git(stage, "git.example", more=more)
    as_it_is = ["capability[]=authtype", "authtype=Bearer", "credential=at-one"]
    assert ran.out.splitlines() == (as_it_is if bearer else ["username=oauth2", "password=at-one"])


def test_git_is_told_what_this_helper_can_do(stage: Stage) -> None:
    ran = stage.run("token", "--format", "git-credential", "capability")
    assert (ran.code, ran.out) == (0, "version 0\ncapability authtype\n")


def test_a_refused_bearer_is_renewed(stage: Stage) -> None:
    stage.login("--origin", "https://git.example")
    token = stage.run("token").out.strip()
    asked = f"protocol=https\nhost=git.example\nauthtype=Bearer\ncredential={token}\n\n"
    ran = stage.run("token", "--format", "git-credential", "erase", stdin=asked)
    assert (ran.code, stage.counts["refresh"]) == (0, 1)
    assert stage.run("token").out.strip() != token


def docker(stage: Stage, operation: str, text: str = "") -> Ran:
    return stage.run("token", "--format", "docker-credential", operation, stdin=text)


@pytest.mark.parametrize(
    "server", ["registry.example", "https://registry.example", "https://registry.example/v2/\n"]
)
def test_docker_gets_the_token_of_a_registry(stage: Stage, server: str) -> None:
    given(stage, "one", "--origin", "https://registry.example")
    ran = docker(stage, "get", server)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {
        "ServerURL": server.strip(),
        "Username": "oauth2",
        "Secret": "at-one",
    }
    assert json.loads(docker(stage, "list").out) == {"registry.example": "oauth2"}


@pytest.mark.parametrize("server", ["evil.example", "http://registry.example", "", "a b"])
def test_docker_goes_on_without_what_is_not_ours(stage: Stage, server: str) -> None:
    given(stage, "one", "--origin", "https://registry.example")
    ran = docker(stage, "get", server)
    assert (ran.code != 0, ran.out) == (True, "credentials not found in native keychain\n")
    assert "at-one" not in ran.err


def test_docker_stores_and_erases_nothing(stage: Stage) -> None:
    given(stage, "one", "--origin", "https://registry.example")
    stored = docker(stage, "store", '{"ServerURL":"x","Username":"u","Secret":"hunter2"}')
    assert stored.code == 1
    assert "use grantflow login" in stored.complaint()
    assert "hunter2" not in stored.err
    assert docker(stage, "erase", "registry.example").code == 0
    assert stage.run("token").out == "at-one\n"
    assert stage.run("token", "--format", "docker-credential").code == 2


def test_docker_s_name_for_the_command(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    given(stage, "one", "--origin", "https://registry.example")
    stage.monkeypatch.setattr("sys.argv", ["docker-credential-grantflow", "get"])
    stage.monkeypatch.setattr("sys.stdin", io.StringIO("registry.example"))
    capsys.readouterr()
    assert __main__.docker() == 0
    assert json.loads(capsys.readouterr().out)["Secret"] == "at-one"


# -- the library


def source(stage: Stage, name: str | None = None) -> TokenSource:
    return TokenSource.from_profile(name, transport=stage.transport, clock=stage.clock)


def test_a_program_goes_on_with_what_the_command_stored(stage: Stage) -> None:
    stage.login("--profile", "work", "--scope", "read")
    printed = stage.run("token").out.strip()
    asked = len(stage.transport.requests)
    assert source(stage, "work").token().access_token.reveal() == printed
    assert source(stage).token().access_token.reveal() == printed
    assert len(stage.transport.requests) == asked
    stage.clock.advance(HOUR)
    renewed = source(stage, "work").token().access_token.reveal()
    assert renewed != printed
    assert stage.run("token").out.strip() == renewed
    assert stage.counts["refresh"] == 1


def test_a_machine_s_profile_has_its_secret_from_its_file(stage: Stage) -> None:
    file = stage.folder / "secret"
    file.write_text("s3cret-one\n")
    argv = ("--client-id", "robot", "--grant", "client_credentials", "--client-secret-file")
    stage.run("login", "--token-endpoint", f"{ISSUER}/token", *argv, str(file))
    stage.clock.advance(HOUR)
    first = source(stage).token()
    assert source(stage).renew(first).access_token != first.access_token
    file.unlink()
    with pytest.raises(ProfileError, match="cannot read the file"):
        source(stage)


def test_a_token_by_hand_is_used_and_not_renewed(stage: Stage) -> None:
    given(stage, "ci")
    made = source(stage, "ci")
    assert made.token().access_token.reveal() == "at-ci"
    with pytest.raises(GrantError) as caught:
        made.renew(made.token())
    assert isinstance(caught.value.problem, InteractionRequired)


def test_the_environment_outranks_the_profile(stage: Stage) -> None:
    stage.login("--profile", "work")
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN_WORK", "at-env")
    assert source(stage, "work").token().access_token.reveal() == "at-env"


def test_without_a_profile_the_error_says_where_it_looked(stage: Stage) -> None:
    with pytest.raises(ProfileError) as caught:
        TokenSource.from_profile("work")
    assert str(stage.home) in caught.value.problem
    assert caught.value.kind == "unknown_profile"


def test_a_source_of_a_profile_never_prompts_unless_it_may(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    stage.clock.advance(HOUR)
    with pytest.raises(GrantError):
        source(stage).token()
    shown: list[object] = []
    made = TokenSource.from_profile(
        transport=stage.transport, clock=stage.clock, prompt=shown.append, interactive=True
    )
    assert made.token().access_token.reveal() == stage.run("token").out.strip()
    assert len(shown) == 1


def test_an_adapter_keeps_to_the_profile_s_origins(stage: Stage) -> None:
    given(stage, "one", "--origin", API)
    auth = TokenAuth(TokenSource.from_profile("one"))
    for url, header in [(f"{API}/x", "Bearer at-one"), ("https://evil.example/", None)]:
        prepared = requests.Request("GET", url, auth=auth).prepare()
        assert prepared.headers.get("Authorization") == header


@pytest.mark.anyio
async def test_an_async_program_goes_on_as_well(stage: Stage) -> None:
    given(stage, "one", "--origin", API)
    for made in (AsyncTokenSource.from_profile("one"), AsyncTokenSource.for_url(API)):
        assert (await made.token()).access_token.reveal() == "at-one"
    assert made.origins == load().named("one").destinations
