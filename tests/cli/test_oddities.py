"""What a provider does its own way is told in words, and nothing of it is left out."""

from __future__ import annotations

import pytest

from grantflow import Secret, providers
from grantflow.cli.profiles.oddities import _ANSWERING, _ASKING, _PROVIDER, oddities
from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.core.values.request import Encoding
from grantflow.providers import provider_from
from tests.support.provider_fields import PLAIN, SPELLING, Path, changed

BESIDE = {(name,) for name in ("auth_methods", "issuer")}
ODD = [path for path in SPELLING if path not in BESIDE and not path[-1].endswith("_endpoint")]


def test_the_usual_is_nothing_to_tell() -> None:
    assert list(oddities(PLAIN)) == []


@pytest.mark.parametrize("path", ODD, ids=".".join)
def test_every_field_is_told_with_its_value(path: Path) -> None:
    document, held = changed(path)
    [line] = oddities(made(document))
    words = [str(held)] if not isinstance(held, tuple) else [str(each) for each in flat(held)]
    if isinstance(held, bool) or path[-1] in ("interval", "lifetime", "encoding", "flow"):
        words = []
    for word in words:
        assert word in line


def made(document: dict[str, object]) -> Provider:
    found = provider_from("acme", document)
    assert isinstance(found, Provider)
    return found


def flat(value: object) -> list[object]:
    if isinstance(value, tuple):
        return [inner for each in value for inner in flat(each)]
    return [value]


@pytest.mark.parametrize("path", ODD, ids=".".join)
def test_a_field_without_words_is_told_by_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (_PROVIDER, _ASKING, _ANSWERING):
        monkeypatch.setattr("grantflow.cli.profiles.oddities." + name_of(words), {})
    [line] = oddities(made(changed(path)[0]))
    assert line.startswith(".".join(path).replace("_", " ") + ": ")


def name_of(words: object) -> str:
    return {id(_PROVIDER): "_PROVIDER", id(_ASKING): "_ASKING", id(_ANSWERING): "_ANSWERING"}[
        id(words)
    ]


@pytest.mark.parametrize("name", providers.names())
def test_every_known_provider_has_words_for_all_it_does(name: str) -> None:
    lines = list(oddities(providers.template(name).provider))
    assert all(line.endswith(".") for line in lines), "one of them has no words of its own"


@pytest.mark.parametrize("encoding", ["json", "query", "multipart"])
def test_a_request_is_told_as_it_is_sent(encoding: Encoding) -> None:
    where = "https://acme.example/token"
    poll, registration = RequestFormat(encoding=encoding), RequestFormat(drop="grant_types")
    provider = Provider(name="acme", token_endpoint=where, poll=poll, registration=registration)
    lines = list(oddities(provider))
    assert len(lines) == 2, "a registration is sent as JSON, which is as usual"
    assert lines[0].startswith("A poll is sent ")


def test_a_secret_header_stays_one() -> None:
    odd = Provider(
        name="acme",
        token_endpoint=PLAIN.token_endpoint,
        headers={"client-secret": Secret("hunter2hunter2")},
        poll=RequestFormat(fixed={"key": Secret("hunter2hunter2")}),
        answers=ResponseFormat(),
    )
    assert "hunter2" not in " ".join(oddities(odd))
