"""The reader of providers is total, and linear in what it reads; every mistake has its line."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grantflow import Client, InvalidResponse, Provider, Response, providers
from grantflow.flows import flow_for
from grantflow.providers.reader import KEYS
from grantflow.shell.discovery import provider_of
from grantflow.shell.provider_file import check
from tests.support.effort import effort

ISSUER = "https://id.example.com"
texts = st.text(max_size=12) | st.sampled_from(
    ["https://{host}/token", "https://a.{top}/x", "{x}", "github", "authorization_pending", "{"]
)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.lists(texts, max_size=3)
)
values = st.recursive(leaves, lambda inner: st.dictionaries(texts, inner, max_size=4), max_leaves=8)
inner_keys = st.sampled_from(["fixed", "drop", "rename", "codes", "fields", "kind", "default"])
tables = st.dictionaries(
    st.sampled_from(KEYS) | texts,
    leaves | st.dictionaries(inner_keys | texts, values, max_size=4),
    max_size=6,
)
documents = st.dictionaries(texts, tables | values, max_size=4)


@settings(max_examples=effort(100, 2000), deadline=None)
@given(document=documents)
def test_any_document_is_read(document: dict[str, object]) -> None:
    found = providers.with_own(document)
    named = {name for name in document if found.is_own(name)}
    wrong = {each.place[0] for each in found.mistakes}
    assert set(document) <= {*named, *wrong} | {each for each in document if not each.strip()}
    assert all(str(each) for each in found.mistakes)


@settings(max_examples=effort(60, 1000), deadline=None)
@given(text=st.text(max_size=200))
def test_any_file_is_checked(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("checked") / "mine.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    assert all(str(path) in each for each in check(path))


def test_reading_is_linear_in_what_is_read(tmp_path: Path) -> None:
    """Twice as many tables, each with a mistake, are about twice as many steps."""

    def steps(tables: int) -> int:
        path = tmp_path / f"{tables}.toml"
        table = '[t{n}]\ntoken_endpoint = "https://a.example"\ninterval = 0\n'
        path.write_text("".join(table.format(n=n) for n in range(tables)))
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            assert len(check(path)) == tables
        finally:
            sys.setprofile(None)
        return count

    steps(2)
    assert steps(80) < 2.5 * steps(40)


@pytest.mark.parametrize("piece", ["[", "[a.", '"', "a.", "[[", "'", "x = [", '"""'])
def test_no_line_takes_its_time(piece: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[acme]\nnote = """\n{piece * 20_000}\n"""\nzzz = 1\n')
    began = time.process_time()
    assert check(path)
    assert time.process_time() - began < 5  # hundreds of times what it takes


FILE = """# every kind of mistake
[acme]
title = 1
encodign = "form"

[acme.poll]
drop = "granttype"

[other]
like = "githbu"

[good]
like = "github"

["also".answers]
codes = { x = "pending" }
"""


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    shown = [each.removeprefix(f"{path}, ") for each in check(path)]
    for line, said in (
        (3, "[acme] title: text is needed"),
        (4, "[acme] encodign: unknown key; did you mean encoding?"),
        (2, "[acme] token_endpoint: it is missing"),
        (7, "[acme.poll] drop: unknown name 'granttype'; did you mean grant_type"),
        (10, "[other] like: unknown provider 'githbu'; did you mean github"),
        (16, "[also.answers] codes: unknown name 'pending'; did you mean authorization_pending"),
    ):
        assert any(each.startswith(f"line {line}: {said}") for each in shown), (line, said, shown)
    assert not any("[good]" in each for each in shown)


def test_a_file_without_mistakes_has_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[acme]\nlike = "github"\n')
    assert check(path) == ()


# An issuer, and a dialect over what its metadata says

OVER = f"""
[acme]
issuer = "{ISSUER}/{{realm}}"
pkce = true
scope = ["openid"]

[acme.poll]
send_client_id = "always"
"""


def metadata(**changes: object) -> Response:
    import json

    said = {
        "issuer": f"{ISSUER}/main",
        "token_endpoint": f"{ISSUER}/token",
        "device_authorization_endpoint": f"{ISSUER}/device",
    }
    return Response(200, {}, json.dumps(said | changes).encode())


def test_a_table_may_begin_with_an_issuer() -> None:
    template = providers.with_own(tomllib.loads(OVER)).template("acme")
    assert template.discovers
    assert [each.name for each in template.needs] == ["realm"]
    found = provider_of(template, {"realm": "main"}, lambda _: metadata())
    assert isinstance(found, Provider)
    assert found.name == "acme"
    assert found.device_authorization_endpoint == f"{ISSUER}/device"
    assert (found.pkce, found.scope, found.poll.send_client_id) == (True, ("openid",), "always")
    assert isinstance(provider_of(template, {"realm": "x"}, lambda _: metadata()), InvalidResponse)
    with pytest.raises(ValueError, match="realm: provider 'acme' needs it"):
        provider_of(template, {}, lambda _: metadata())
    with pytest.raises(ValueError, match="token_endpoint: those of 'acme' come from its issuer"):
        template.filled({"realm": "main"})


@pytest.mark.parametrize("methods", [["S256"], ["plain"], None])
def test_pkce_is_used_where_it_is_offered_to_a_public_client(methods: list[str] | None) -> None:
    template = providers.with_own({"acme": {"issuer": f"{ISSUER}/main"}}).template("acme")
    said = metadata(code_challenge_methods_supported=methods)
    found = provider_of(template, {}, lambda _: said)
    assert isinstance(found, Provider)
    client = Client(provider=found, client_id="app")
    flow = flow_for(client, entropy="e" * 43)
    assert client.uses_pkce is (methods == ["S256"])
    assert (getattr(flow, "verifier", None) is not None) is client.uses_pkce
