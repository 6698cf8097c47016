"""The files of data: one a provider, each with its index entry, read only when it is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from grantflow import providers
from grantflow.core.structure import Mistake

DATA = Path(providers.__file__).parent / "data"
FILES = {path.stem: path for path in sorted(DATA.glob("*.toml")) if path.stem != "index"}


def test_the_index_names_every_file_and_its_aliases() -> None:
    told = {}
    for name, path in FILES.items():
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        assert list(document) == [name]
        told[name] = document[name].get("aliases", [])
    assert tomllib.loads((DATA / "index.toml").read_text(encoding="utf-8")) == told


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_a_user_s_file(name: str) -> None:
    """Pasted into a file of one's own, under another name, it is the same provider."""
    text = FILES[name].read_text(encoding="utf-8")
    pasted = re.sub(rf"(?m)^(\[)({re.escape(name)})([.\]])", r"\1pasted\3", text)
    found = providers.with_own(tomllib.loads(pasted).copy())
    assert [each for each in found.mistakes if not _same_alias(each)] == []
    mine, known = found.template("pasted"), providers.template(name)
    assert mine.provider.token_endpoint == known.provider.token_endpoint
    assert (mine.needs, mine.grants) == (known.needs, known.grants)


SOURCE = re.compile(
    r"(?:[\w.-]+/[\w.-]+(?: [\w@./-]+|#\d+)"  # owner/repository, and a path in it or an issue
    r"|(?:[\w-]+\.)+[a-z]{2,}/\S*)"  # or the address of a page
    r"(?: \([^()]+\))?"
)


@pytest.mark.parametrize("name", FILES)
def test_anyone_can_look_a_source_up(name: str) -> None:
    sources = providers.template(name).source
    assert sources
    assert [each for each in sources if SOURCE.fullmatch(each) is None] == []


CODE = re.compile(
    r"[\w.-]+/[\w.-]+ [\w@./-]+(?: \(.*\))?"  # a path in a repository
    r"|(?:docs\.rs/crate|pypi\.org/project)/.*"  # or a package's own files
)


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_to_be_read_from_code_names_some(name: str) -> None:
    known = providers.template(name)
    if known.verified in ("server code", "SDK", "client code"):
        assert [each for each in known.source if CODE.fullmatch(each)]


@pytest.mark.parametrize(
    "vague",
    [
        "five independent clients of api.torbox.app/v1/api/user/auth/device",
        "support.tado.com: How do I authenticate?",
        "zitadel/zitadel (slow_down when its own storage is late)",
        "memory",
    ],
)
def test_what_nobody_can_look_up_is_no_source(vague: str) -> None:
    assert SOURCE.fullmatch(vague) is None


@pytest.mark.parametrize("name", FILES)
def test_whoever_has_to_give_a_value_is_told_where_it_is(name: str) -> None:
    needed = [each for each in providers.template(name).needs if each.default is None]
    assert [each.name for each in needed if not each.hint] == []


JUDGED = [
    *("Vercel", "Sentry", "Cloudflare", "Fly.io", "Heroku", "Supabase", "Neon", "JFrog"),
    *("Teleport", "Vault", "UAA", "Casdoor", "Logto", "Pocket-ID"),
    *("OpenAI-Codex", "WorkOS", "Kimi", "Qwen", "xAI", "Shopify", "Buildkite", "Discord"),
    *("Atlassian", "Snowflake", "Databricks", "Adobe", "IBM-IAM", "SAP", "ServiceNow", "Xero"),
    *("UPS", "FedEx", "Amadeus", "Amazon", "CILogon", "EGI", "Copernicus", "INDIGO-IAM"),
    *("Life-Science", "Helmholtz-AAI", "Feishu"),
]
PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def left_out() -> dict[str, list[str]]:
    """The names of the page's table of those without an entry, with their sources."""
    table = PAGE.read_text(encoding="utf-8").split("## Looked at, and left out")[1]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return {name: source.split("<br>") for name, _, source in rows[2:]}


@pytest.mark.parametrize("name", JUDGED)
def test_who_was_looked_at_has_an_entry_or_a_reason(name: str) -> None:
    entries = {each.lower() for each in providers.names()}
    reasons = {each.lower().replace(" ", "-") for each in left_out()}
    assert (name.lower() in entries) is not (name.lower() in reasons)


def test_a_reason_has_sources_as_well() -> None:
    for sources in left_out().values():
        assert [each for each in sources if SOURCE.fullmatch(each) is None] == []


def _same_alias(mistake: Mistake) -> bool:
    return "is called" in mistake.problem


def test_only_what_is_asked_for_is_read() -> None:
    watch = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda name, args: opened.append(args[0]) if name == 'open' else None)\n"
        "from grantflow import providers; providers.find('okta-org', host='id.example')\n"
        "print(*sorted(str(each).rpartition('/')[2] for each in opened if '.toml' in str(each)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", watch], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.split() == ["index.toml", "okta-org.toml", "okta.toml"]
