"""DagsHub's own file: what the original wrote is read, and what is written the original reads."""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from grantflow import Secret, StoreError
from grantflow.compat.dagshub import cache as module
from grantflow.compat.dagshub.cache import TokensCache
from grantflow.compat.dagshub.token_auth import (
    NEVER,
    AppDagshubToken,
    DagshubTokenABC,
    OAuthDagshubToken,
)

HOST = "https://dagshub.com"
OTHER = "https://hub.acme.example"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOMORROW = datetime(2026, 1, 2, 12, tzinfo=UTC)
APP = AppDagshubToken("app-token-1")
SIGNED_IN = OAuthDagshubToken("oauth-token-1", TOMORROW)
# As the original's yaml.dump writes it.
ORIGINAL = f"""\
{HOST}:
- access_token: oauth-token-1
  expiry: '2026-01-02T12:00:00.000000Z'
  token_type: bearer
- access_token: app-token-1
  expiry: never
  token_type: app-token
{OTHER}:
- access_token: other-token-1
  expiry: never
  token_type: app-token
version: '1'
"""

posix = pytest.mark.skipif(os.name != "posix", reason="file modes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dagshub" / "tokens"


@pytest.fixture
def cache(path: Path, monkeypatch: pytest.MonkeyPatch) -> TokensCache:
    monkeypatch.setattr(module, "told_already", set())
    return TokensCache(path)


def put(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)


def loaded(path: Path) -> dict[str, object]:
    """Read as the original does, whose loader makes values of all standard tags."""
    found = yaml.load(path.read_text(), yaml.SafeLoader)
    assert isinstance(found, dict)
    return found


def entry(text: str, **more: str) -> dict[str, object]:
    return {"access_token": text, "expiry": "never", "token_type": "app-token", **more}


def texts(cache: TokensCache, host: str = HOST) -> list[str]:
    return [token.token_text for token in cache.tokens(host, NOW)]


def test_what_the_original_wrote_is_read(cache: TokensCache, path: Path) -> None:
    put(path, ORIGINAL)
    assert cache.tokens(HOST, NOW) == [APP, SIGNED_IN]  # app tokens first
    assert cache.tokens(OTHER, NOW) == [AppDagshubToken("other-token-1")]
    assert cache.tokens("https://elsewhere.example", NOW) == []


def test_what_is_written_the_original_reads(cache: TokensCache, path: Path) -> None:
    assert cache.add(HOST, SIGNED_IN)
    assert cache.add(HOST, APP)
    assert cache.add(OTHER, AppDagshubToken("other-token-1"))
    assert loaded(path) == yaml.load(ORIGINAL, yaml.SafeLoader)
    # This is how its older versions read the end.
    expiry = yaml.safe_load(path.read_text())[HOST][0]["expiry"]
    read = datetime.strptime(expiry, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007
    assert read.replace(tzinfo=UTC) == TOMORROW


@pytest.mark.parametrize("text", ["123", "true", "null", "~", "1e3", "0x1f", "2026-01-01", "a: b"])
def test_a_token_stays_text_whatever_it_looks_like(
    text: str, cache: TokensCache, path: Path
) -> None:
    cache.add(HOST, AppDagshubToken(text))
    assert loaded(path)[HOST] == [entry(text)]
    assert texts(cache) == [text]


def test_a_token_is_added_once(cache: TokensCache, path: Path) -> None:
    assert cache.add(HOST, APP)
    before = path.read_bytes()
    assert not cache.add(HOST, OAuthDagshubToken("app-token-1", TOMORROW))
    assert path.read_bytes() == before


def test_an_end_that_nobody_told_is_far_away(cache: TokensCache, path: Path) -> None:
    cache.add(HOST, OAuthDagshubToken("endless"))
    assert loaded(path)[HOST] == [
        entry("endless", expiry="9999-12-31T23:59:59.000000Z", token_type="bearer")
    ]
    assert cache.tokens(HOST, NOW)[0].as_token().expires_at is None


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2026-01-02T12:00:00.123456789Z", TOMORROW.replace(microsecond=123456)),
        ("'2026-01-02T12:00:00Z'", TOMORROW),
        ("2026-01-02 12:00:00", TOMORROW),  # YAML's own timestamp; without a zone in UTC
        ("'2026-01-02T12:00:00+02:00'", TOMORROW - timedelta(hours=2)),
        ("2026-01-02T12:00:00-05:00", TOMORROW + timedelta(hours=5)),
        ("never", NEVER),
    ],
)
def test_an_end_is_read_with_its_time_zone(
    written: str, end: datetime, cache: TokensCache, path: Path
) -> None:
    put(path, f"{HOST}: [{{access_token: t, token_type: bearer, expiry: {written}}}]")
    assert cache.tokens(HOST, NOW) == [OAuthDagshubToken("t", end)]


def test_an_end_is_written_in_utc(cache: TokensCache, path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    cache.add(HOST, OAuthDagshubToken("t", datetime(2026, 1, 2, 14, tzinfo=zone)))
    assert cache.tokens(HOST, NOW) == [OAuthDagshubToken("t", TOMORROW)]
    assert "'2026-01-02T12:00:00.000000Z'" in path.read_text()


def test_what_has_ended_is_not_used_and_goes_whole(cache: TokensCache, path: Path) -> None:
    for number in range(4):
        cache.add(HOST, OAuthDagshubToken(f"old-{number}", NOW - timedelta(days=number)))
    cache.add(OTHER, OAuthDagshubToken("old-4", NOW))
    cache.add(HOST, SIGNED_IN)
    assert texts(cache) == ["oauth-token-1"]
    cache.purge(NOW)
    assert "old-" not in path.read_text()
    assert texts(cache) == ["oauth-token-1"]
    before = path.stat().st_mtime_ns
    cache.purge(NOW)
    assert path.stat().st_mtime_ns == before  # nothing to do, nothing written


def test_one_token_is_removed_from_one_host(cache: TokensCache) -> None:
    for host in (HOST, OTHER):
        cache.add(host, APP)
        cache.add(host, SIGNED_IN)
    cache.remove(HOST, Secret("app-token-1"))
    cache.remove(HOST, Secret("not there"))
    assert texts(cache) == ["oauth-token-1"]
    assert texts(cache, OTHER) == ["app-token-1", "oauth-token-1"]


def test_other_spellings_of_a_host_are_read_and_removed_from(
    cache: TokensCache, path: Path
) -> None:
    put(path, "https://DagsHub.com/: [{access_token: one, token_type: app-token}]\n")
    cache.add(HOST, APP)
    assert texts(cache) == ["one", "app-token-1"]
    assert loaded(path)[HOST] == [entry("app-token-1")]  # where the original looks
    cache.remove(HOST, Secret("one"))
    assert texts(cache) == ["app-token-1"]


TAGGED = """\
version: '1'
https://dagshub.com:
- !!python/object/apply:os.makedirs ["{touched}", 511, true]
- access_token: !!python/object/apply:os.makedirs ["{touched}", 511, true]
  token_type: app-token
- access_token: good
  token_type: app-token
  note: !!python/object/apply:os.makedirs ["{touched}", 511, true]
- !!python/object:types.SimpleNamespace {{access_token: bad, token_type: app-token}}
- !!python/object/new:pathlib.Path ["{touched}"]
https://hub.acme.example: !!python/object/apply:os.makedirs ["{touched}", 511, true]
"""


def test_a_tag_is_never_obeyed(
    cache: TokensCache, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touched = tmp_path / "touched"
    put(path, TAGGED.format(touched=touched.as_posix()))
    assert texts(cache) == ["good"]
    assert texts(cache, OTHER) == []
    cache.add(HOST, APP)
    cache.purge(NOW)
    assert texts(cache) == ["good", "app-token-1"]
    assert path.read_text().count("!!python") == 6  # kept as they are
    assert not touched.exists()
    # It would have been obeyed by a loader that obeys.
    yaml.load(TAGGED.format(touched=touched.as_posix()), yaml.Loader)
    assert touched.exists()
    assert caplog.text.count("is skipped") == 5
    assert "what is under https://hub.acme.example is no list" in caplog.text


UNKNOWN = f"""\
version: '1'
settings: {{colour: blue, since: 2020-01-01, deep: [1, 2.5, true, null]}}
{HOST}:
- access_token: of-a-later-kind
  token_type: passkey
  later: {{a: 1}}
- access_token: app-token-1
  expiry: never
  token_type: app-token
  team: 7
- a word
- [a, list]
- token_type: app-token
- access_token: null
  token_type: app-token
- access_token: true
  token_type: app-token
- access_token: endless
  token_type: bearer
- access_token: sometime
  token_type: bearer
  expiry: sometime
- access_token: "two\\nlines"
  token_type: app-token
- 12
{OTHER}:
"""


def test_what_is_not_known_is_skipped_and_kept(
    cache: TokensCache, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, UNKNOWN)
    assert texts(cache) == ["app-token-1"]
    assert caplog.text.count("is skipped") == 10
    assert "of-a-later-kind" not in caplog.text
    before = loaded(path)
    cache.add(HOST, SIGNED_IN)
    cache.remove(HOST, Secret("oauth-token-1"))
    assert loaded(path) == before
    assert texts(cache) == ["app-token-1"]
    assert caplog.text.count("is skipped") == 10  # told once


@pytest.mark.parametrize("value", ["", "~", "a word", "{a: 1}"])
def test_what_is_no_list_of_tokens_is_not_written_over(
    value: str, cache: TokensCache, path: Path
) -> None:
    put(path, f"{HOST}: {value}\n{OTHER}: [{{access_token: one, token_type: app-token}}]\n")
    assert texts(cache) == []
    assert texts(cache, OTHER) == ["one"]
    with pytest.raises(StoreError, match="what is under https://dagshub.com is no list"):
        cache.add(HOST, APP)
    assert texts(cache, OTHER) == ["one"]


def test_a_list_that_hosts_share_is_written_for_one_of_them(cache: TokensCache, path: Path) -> None:
    shared = f"{HOST}: &a [{{access_token: one, token_type: app-token}}]\n{OTHER}: *a\n"
    put(path, shared)
    cache.add(HOST, APP)
    assert (texts(cache), texts(cache, OTHER)) == (["one", "app-token-1"], ["one"])
    put(path, shared)
    cache.remove(OTHER, Secret("one"))
    assert (texts(cache), texts(cache, OTHER)) == (["one"], [])


@pytest.mark.parametrize(
    "damage",
    [
        "[",
        "a: b: c",
        "- a list",
        "just words",
        "%YAML",
        b"\xff\xfe\x00",
        b"\x00",
        "--- {}\n--- {}\n",
        pytest.param("[" * 5000, id="5000 brackets"),
        "*nowhere",
    ],
    ids=repr,
)
def test_a_damaged_file_is_kept_aside_when_there_is_something_to_write(
    damage: str | bytes, cache: TokensCache, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, damage)
    before = path.read_bytes()
    assert texts(cache) == []
    cache.purge(NOW)
    assert "nothing of it is used" in caplog.text
    assert path.read_bytes() == before  # the original may be writing it at this moment
    cache.add(HOST, APP)
    assert texts(cache) == ["app-token-1"]
    (aside,) = path.parent.glob("tokens.damaged-*")
    assert aside.read_bytes() == before
    assert aside.name in caplog.text


@pytest.mark.parametrize("empty", ["", "\n", "# only a remark\n", "{}", "---\n"])
def test_an_empty_file_is_no_damage(
    empty: str, cache: TokensCache, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, empty)
    assert texts(cache) == []
    cache.add(HOST, APP)
    assert texts(cache) == ["app-token-1"]
    assert caplog.text == ""


def test_a_file_of_another_version_is_left_alone(
    cache: TokensCache, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, ORIGINAL.replace("'1'", "'2'"))
    before = path.read_bytes()
    assert texts(cache) == []
    assert "its version is not 1" in caplog.text
    cache.purge(NOW + timedelta(days=99))
    cache.remove(HOST, Secret("app-token-1"))
    with pytest.raises(StoreError, match="of another version"):
        cache.add(HOST, APP)
    assert path.read_bytes() == before


@posix
def test_the_file_is_private_from_the_start_and_closed_to_others(
    cache: TokensCache, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mask = os.umask(0)
    try:
        cache.add(HOST, APP)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {each.name for each in path.parent.iterdir()} == {"tokens", "tokens.lock"}
    path.chmod(0o644)  # as the original leaves it
    assert texts(cache) == ["app-token-1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "others could read" in caplog.text


def test_a_write_that_fails_leaves_what_was_there(
    cache: TokensCache, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.add(HOST, APP)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="cannot write .*No space left"):
        cache.add(HOST, SIGNED_IN)
    assert path.read_bytes() == before


@posix
def test_a_link_is_not_followed(cache: TokensCache, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text(ORIGINAL)
    path.parent.mkdir()
    path.symlink_to(target)
    with pytest.raises(StoreError, match="it is a link, which is not followed"):
        cache.tokens(HOST, NOW)
    with pytest.raises(StoreError, match="it is a link"):
        cache.add(HOST, APP)
    assert target.read_text() == ORIGINAL


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_told(cache: TokensCache, path: Path) -> None:
    put(path, ORIGINAL)
    path.chmod(0)
    with pytest.raises(StoreError, match="cannot read"):
        cache.tokens(HOST, NOW)


@pytest.mark.skipif(sys.platform != "linux", reason="its folder for caches")
def test_the_file_is_where_the_original_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSHUB_CLIENT_TOKENS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    from grantflow.compat.dagshub.config import cache_of

    assert cache_of() == Path("/somewhere/dagshub/tokens")
    assert cache_of("~/x") == Path.home() / "x"


def test_tokens_say_their_kind_and_hide_themselves() -> None:
    kinds: list[DagshubTokenABC] = [APP, SIGNED_IN]
    assert [(each.token_type, each.priority) for each in kinds] == [("app-token", 0), ("bearer", 1)]
    assert "app-token-1" not in repr(kinds)
    assert "oauth-token-1" not in repr(kinds)
    old = OAuthDagshubToken("t", datetime(1990, 1, 1))  # noqa: DTZ001 - as the original may have it
    assert old.is_expired
    assert old.expiry_date.tzinfo is UTC
    assert not APP.is_expired
    assert not OAuthDagshubToken("t").is_expired
