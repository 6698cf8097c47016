"""A key for proofs of possession in a file: made once, for its owner alone, and never guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from grantflow.core.values.secret import Secret
from grantflow.shell.ports import StoreError
from grantflow.signing import kept_dpop_key

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes and few links")


def test_it_is_made_once_and_the_same_ever_after(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "dpop.json"
    made = kept_dpop_key(path)
    assert (made.alg, made.required) == ("ES256", True)
    assert isinstance(made.key, Secret)
    before = path.read_bytes()
    again = kept_dpop_key(str(path), required=False)
    assert (again.thumbprint, again.required) == (made.thumbprint, False)
    assert path.read_bytes() == before
    assert kept_dpop_key(tmp_path / "other.json").thumbprint != made.thumbprint


@POSIX
def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "dpop.json"
    kept_dpop_key(path)
    for each in (path.parent, *path.parent.iterdir()):
        assert each.stat().st_mode & 0o077 == 0, each


def test_a_key_of_one_s_own_is_taken(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-384")
    path = tmp_path / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    path.chmod(0o600)
    assert kept_dpop_key(path).thumbprint == key.thumbprint()


def test_of_many_processes_one_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "dpop.json"
    code = (
        "import sys; from grantflow.signing import kept_dpop_key; sys.stdin.readline(); "
        "print(kept_dpop_key(sys.argv[1]).thumbprint)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:  # all are loaded by now, or soon; let them go at once
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate(timeout=50)[0].strip() for process in processes}
    assert said == {kept_dpop_key(path).thumbprint}


def torn(text: str) -> str:
    return text[: len(text) // 2]


def public(text: str) -> str:
    members: dict[str, str] = json.loads(text)
    return json.dumps({name: value for name, value in members.items() if name != "d"})


@pytest.mark.parametrize("damage", [torn, public, lambda _: "", lambda _: "\0\xff", lambda _: "{}"])
def test_what_holds_no_key_is_told_and_left(tmp_path: Path, damage: Callable[[str], str]) -> None:
    path = tmp_path / "dpop.json"
    kept_dpop_key(path)
    secret = json.loads(path.read_text())["d"]
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="cannot be read as a private key") as caught:
        kept_dpop_key(path)
    assert str(path) in str(caught.value)
    assert "move the file away" in str(caught.value)
    assert secret not in str(caught.value)
    assert path.read_bytes() == before


@POSIX
def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dpop.json"
    kept_dpop_key(tmp_path / "other.json")
    path.symlink_to(tmp_path / "other.json")
    with pytest.raises(ValueError, match="it is a link, which is not followed"):
        kept_dpop_key(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("this is a file")
    with pytest.raises(StoreError):
        kept_dpop_key(tmp_path / "keys" / "dpop.json")


def test_a_missing_joserfc_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dpop.json"
    kept_dpop_key(path)
    for name in ("joserfc", "joserfc.jwk", "joserfc.jws"):
        monkeypatch.setitem(sys.modules, name, None)
    for each in (path, tmp_path / "new.json"):
        with pytest.raises(ImportError, match=r"pip install 'grantflow\[jwt\]'"):
            kept_dpop_key(each)
    assert not (tmp_path / "new.json").exists()
