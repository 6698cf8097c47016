"""Files: private, whole, and found without looking at the others."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grantflow.shell.ports import StoreError
from grantflow.shell.stores import FileStore, PrivateFile
from grantflow.shell.stores import file_lock as locks
from grantflow.shell.stores.private_file import private_directory
from tests.support.effort import effort
from tests.support.store_contract import (
    FULL,
    SOON,
    Place,
    SharedContract,
    StoreContract,
    together,
    token,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and signals of POSIX")
CRASHES = Path(__file__).parents[1] / "support" / "store_crashes.py"
KILLS = effort(40, 300)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tokens"


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_umask_changes_nothing(folder: Path, umask: int) -> None:
    store = FileStore(folder)
    store.save("key", FULL)
    store.save("key", FULL)
    (folder / "key.json").write_text("{")
    store.read("key")
    store.save("key", FULL)
    assert len(list(folder.iterdir())) == 3
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert {mode(folder), mode(folder.parent)} == {0o700}


def test_a_file_is_private_before_it_holds_anything(
    folder: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    opened = os.open

    def spy(path: str | Path, flags: int, *rest: int) -> int:
        file = opened(path, flags, *rest)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(file).st_mode))
        return file

    monkeypatch.setattr(os, "open", spy)
    FileStore(folder).save("key", FULL)
    assert seen == [0o600, 0o600]  # the lock, and the token


def test_a_lock_file_is_never_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is cut to nothing and written again is put to disk at each close, which is slow."""
    sizes: list[int] = []
    written = os.pwrite

    def spy(file: int, data: bytes, offset: int) -> int:
        sizes.append(os.fstat(file).st_size)
        return written(file, data, offset)

    monkeypatch.setattr(os, "pwrite", spy)
    for _ in range(2):
        with FileStore(folder).claim("key"):
            assert locks.holder(folder / "key.json.lock") == os.getpid()
    assert sizes == [0, len(f"{os.getpid():10}")]


def test_a_file_that_was_opened_to_others_is_closed_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileStore(folder)
    store.save("key", FULL)
    (folder / "key.json").chmod(0o644)
    with caplog.at_level(logging.WARNING, "grantflow"):
        assert store.read("key") == FULL
    assert mode(folder / "key.json") == 0o600
    assert "others could read" in caplog.text


def test_where_modes_have_no_effect_nothing_is_said_to_be_private(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Windows drive under WSL, or CIFS: no call fails, and no mode changes."""
    store = FileStore(folder)
    store.save("key", FULL)
    (folder / "key.json").chmod(0o777)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with caplog.at_level(logging.WARNING, "grantflow"):
        for _ in range(3):
            assert store.read("key") == FULL
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"others may read {folder / 'key.json'}, and its mode cannot be changed")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_fsync_is_used_without_it(
    folder: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    FileStore(folder).save("key", FULL)
    assert FileStore(folder).read("key") == FULL


def test_a_file_of_a_newer_version_is_told_once_and_left_alone(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileStore(folder)
    store.save("key", FULL)
    newer = '{"version": 2, "access_token": {"of": "another form"}}'
    (folder / "key.json").write_text(newer)
    with caplog.at_level(logging.WARNING, "grantflow"):
        assert store.read("key") is None
        assert store.read("key") is None
    assert [r.getMessage().count("a newer version") for r in caplog.records] == [1]
    with pytest.raises(StoreError, match="upgrade grantflow"), store.claim("key"):
        pass
    assert (folder / "key.json").read_text() == newer
    assert sorted(each.name for each in folder.iterdir()) == ["key.json", "key.json.lock"]


def test_a_folder_in_which_everybody_writes_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o777)
    store = FileStore(tmp_path)
    with caplog.at_level(logging.WARNING, "grantflow"):
        store.save("a", FULL)
        store.save("b", FULL)
    assert [record.getMessage() for record in caplog.records] == [
        f"everybody may write in {tmp_path}: chmod 700 {tmp_path}"
    ]
    assert mode(tmp_path / "a.json") == 0o600


def test_the_old_content_stays_until_the_new_one_is_on_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(folder)
    store.save("key", token("old"))
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def spy_sync(file: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file"
        steps.append(f"{kind} synced, {store.read('key') == token('old')}")
        sync(file)

    def spy_replace(old: Path, new: Path) -> None:
        steps.append("replaced")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(os, "replace", spy_replace)
    store.save("key", token("new"))
    assert steps == ["file synced, True", "replaced", "folder synced, False"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_fails_leaves_the_old_content_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store = FileStore(folder)
    store.save("key", token("old"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(StoreError, match=r"cannot write .*key\.json: No space left on device"):
            store.save("key", token("new"))
    assert sorted(path.name for path in folder.iterdir()) == ["key.json", "key.json.lock"]
    assert store.read("key") == token("old")


FULL_DISK = """
import resource, sys
from grantflow import Token
from grantflow.shell.stores import FileStore
from grantflow.shell.ports import StoreError
store = FileStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    store.save("key", Token(access_token="x" * 100_000))
except StoreError as error:
    print(error)
"""


def test_a_full_disk(folder: Path) -> None:
    store = FileStore(folder)
    store.save("key", token("old"))
    told = subprocess.run(
        [sys.executable, "-c", FULL_DISK, folder], capture_output=True, text=True, check=True
    ).stdout
    assert told == f"cannot write {folder / 'key.json'}: File too large\n"
    assert sorted(path.name for path in folder.iterdir()) == ["key.json", "key.json.lock"]
    assert store.read("key") == token("old")


def test_what_a_crash_left_half_written_is_used_by_nobody_and_removed(folder: Path) -> None:
    store = FileStore(folder)
    store.save("key", token("old"))
    half = folder / "key.json.tmp"
    half.write_text('{"version": 1')
    assert store.read("key") == token("old")
    assert store.keys() == ["key"]
    store.save("key", token("new"))
    assert not half.exists()
    half.touch()
    store.forget("key")
    assert not half.exists()
    half.touch()
    assert store.keys() == []
    store.clear()
    assert not half.exists()


def test_kills_lose_and_damage_nothing(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, CRASHES, folder, str(KILLS)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""
    saved = int(ran.stderr.removeprefix("saved "))
    assert saved > KILLS
    store = FileStore(folder)
    keys = store.keys()
    assert keys == ["large", "medium", "small"]
    for key in keys:
        store.save(key, FULL)  # what the last kill left half written goes
    wanted = [f"{key}.json{end}" for key in keys for end in ("", ".lock")]
    assert sorted(path.name for path in folder.iterdir()) == wanted


def test_a_dead_owner_holds_nobody_up(folder: Path) -> None:
    place = Place(lambda: FileStore(folder), child=("file", str(folder)))
    with place.process() as owner, place.process() as next_one:
        assert owner.ask("claim key") == "-"
        next_one.say("claim key")
        assert next_one.heard(0.3) is None
        os.kill(owner.process.pid, signal.SIGKILL)
        assert next_one.heard() == "-"


def test_a_slow_owner_is_waited_for(folder: Path) -> None:
    place = Place(lambda: FileStore(folder), child=("file", str(folder)))
    with place.process() as owner, place.process() as next_one:
        owner.ask("claim key")
        os.kill(owner.process.pid, signal.SIGSTOP)
        os.utime(folder / "key.json.lock", (0, 0))  # as old as a lock can look
        next_one.say("claim key")
        assert next_one.heard(1.5) is None
        os.kill(owner.process.pid, signal.SIGCONT)
        assert owner.ask("save key slow") == "done"
        owner.say("release")
        assert next_one.heard() == "slow"


def test_the_stores_of_one_folder_share_their_locks(folder: Path, tmp_path: Path) -> None:
    one, other = FileStore(folder), FileStore(str(folder / ".." / "tokens"))
    inside: list[str] = []

    def hold(store: FileStore) -> None:
        with store.claim("key"):
            inside.append("in")
            time.sleep(0.05)
            inside.append("out")

    together(lambda: hold(one), lambda: hold(other))
    assert inside == ["in", "out"] * 2


def test_a_damaged_file_is_moved_aside_whole(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileStore(folder)
    store.save("key", FULL)
    for damage in (b"", b"\xff\xfe", b"null", b"[" * 100_000, b'{"version": 1}'):
        (folder / "key.json").write_bytes(damage)
        caplog.clear()
        assert store.read("key") is None
        [aside] = folder.glob("key.json.damaged-*")
        assert aside.read_bytes() == damage
        [said] = [text for text in caplog.messages if text.startswith("key.json: stored token: ")]
        assert said.endswith(f"; kept as {aside.name}")
        assert store.keys() == []
        aside.unlink()


def test_what_was_moved_aside_goes_with_clear(folder: Path) -> None:
    store = FileStore(folder)
    store.save("key", FULL)
    (folder / "key.json").write_text("{")
    assert store.read("key") is None
    store.forget("key")
    assert len(list(folder.glob("*.damaged-*"))) == 1
    store.clear()
    assert list(folder.iterdir()) == []


def test_a_good_file_is_never_moved_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees damage, and before it acts a sibling has saved."""
    store = FileStore(folder)
    store.save("key", token("old"))
    (folder / "key.json").write_text("{")
    found = PrivateFile.read
    monkeypatch.setattr(PrivateFile, "read", lambda file: sibling(file))

    def sibling(file: PrivateFile) -> bytes | None:
        damaged = found(file)
        monkeypatch.undo()
        file.path.unlink()
        FileStore(folder).save("key", token("new"))
        return damaged

    assert store.read("key") == token("new")
    assert not list(folder.glob("*.damaged-*"))


def test_damage_under_another_s_claim_is_left_to_it(folder: Path) -> None:
    store = FileStore(folder)
    store.save("key", FULL)
    with store.claim("key"):
        (folder / "key.json").write_text("{")
        assert store.read("key") is None
        assert (folder / "key.json").exists()
    with store.claim("key") as entry:
        assert entry.token is None
        assert not (folder / "key.json").exists()


def test_unknown_members_are_kept(folder: Path) -> None:
    store = FileStore(folder)
    store.save("key", token("old"))
    path = folder / "key.json"
    members = json.loads(path.read_text())
    del members["crc32"]  # as a hand, or another program, would write it
    path.write_text(json.dumps(members | {"later": {"a": [1]}}))
    store.save("key", token("new"))
    assert json.loads(path.read_text())["later"] == {"a": [1]}
    assert store.read("key") == token("new")


@pytest.mark.parametrize("name", ["key.json", "key.json.tmp", "key.json.lock"])
def test_no_link_is_followed(folder: Path, tmp_path: Path, name: str) -> None:
    store = FileStore(folder)
    store.save("other", FULL)
    victim = tmp_path / "victim"
    victim.write_text('{"version": 1, "access_token": "planted"}')
    victim.chmod(0o644)
    (folder / name).symlink_to(victim)
    assert store.read("key") is None
    if name == "key.json.lock":
        with pytest.raises(StoreError, match="cannot lock"):
            store.save("key", FULL)
    else:
        store.save("key", FULL)
        assert store.read("key") == FULL
        assert not (folder / "key.json").is_symlink()
    assert victim.read_text() == '{"version": 1, "access_token": "planted"}'
    assert mode(victim) == 0o644


def test_a_link_that_is_planted_at_the_last_moment_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    unlink = Path.unlink

    def plant(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        path.symlink_to(victim)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", plant)
        with pytest.raises(StoreError, match="File exists"):
            FileStore(folder).save("key", FULL)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_moved_aside(folder: Path, make: Callable[[Path], None]) -> None:
    store = FileStore(folder)
    private_directory(folder)
    make(folder / "key.json")
    assert store.read("key") is None
    store.save("key", FULL)
    assert store.read("key") == FULL
    assert len(list(folder.glob("key.json.damaged-*"))) == 1


def test_a_folder_may_be_reached_by_a_link(folder: Path, tmp_path: Path) -> None:
    private_directory(folder)
    link = tmp_path / "link"
    link.symlink_to(folder)
    FileStore(link).save("key", FULL)
    assert FileStore(folder).read("key") == FULL


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.touch()
    store = FileStore(path)
    with pytest.raises(StoreError, match="cannot read .*: Not a directory"):
        store.read("key")
    with pytest.raises(StoreError, match="cannot lock .*: Not a directory"):
        store.save("key", FULL)
    with pytest.raises(StoreError, match="cannot list .*: Not a directory"):
        store.keys()


AS_NOBODY = """
import os, sys
from grantflow import Token
from grantflow.shell.ports import StoreError
from grantflow.shell.stores import FileStore
store, token = FileStore(sys.argv[1]), Token(access_token="at")
if os.geteuid() == 0:
    os.setuid(65534)
try:
    store.save("new", token)
except StoreError as error:
    print(error)
"""


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    """In a process without rights, as the tests may run as root."""
    private_directory(folder)
    folder.chmod(0o500)
    command = [sys.executable, "-c", AS_NOBODY, folder]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("cannot ")
    assert ran.stdout.endswith(": Permission denied\n")


def test_a_lookup_looks_at_no_other_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(folder)
    opened: list[str] = []
    real = os.open

    def spy(path: str | Path, *rest: int) -> int:
        opened.append(Path(path).name)
        return real(path, *rest)

    def refuse(*_: object) -> None:
        raise AssertionError("the folder was listed")

    def look() -> list[str]:
        opened.clear()
        store.save("key", FULL)
        assert store.read("key") == FULL
        store.forget("key")
        return list(opened)

    look()
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", spy)
        for name in ("listdir", "scandir"):
            patched.setattr(os, name, refuse)
        alone = look()
        for number in range(1_000):
            (folder / f"{number}.json").touch()
        among_many = look()
    assert alone == among_many
    assert set(alone) == {"key.json", "key.json.tmp", "key.json.lock", "tokens"}


def test_the_default_folder_is_under_grantflow_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path / "home"))
    FileStore().save("key", FULL)
    assert (tmp_path / "home" / "tokens" / "key.json").exists()
    assert repr(FileStore()) == f"FileStore({str(tmp_path / 'home' / 'tokens')!r})"


class TestWithFilelock(StoreContract, SharedContract):
    """The lock of Windows, here."""

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
        monkeypatch.setattr("grantflow.shell.stores.private_file.take", locks.by_filelock)
        return Place(lambda: FileStore(tmp_path), child=("file", str(tmp_path)))


def test_a_lock_that_is_taken_is_not_waited_for(tmp_path: Path) -> None:
    for take in (locks.by_flock, locks.by_filelock):
        lock = take(tmp_path / "lock", wait=True)
        assert lock is not None
        assert take(tmp_path / "lock", wait=False) is None
        lock.release()
        again = take(tmp_path / "lock", wait=False)
        assert again is not None
        del again
        assert take(tmp_path / "lock", wait=False) is not None, "a lock that is dropped is free"


def test_a_lock_file_that_was_removed_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    order: list[str] = []
    waits = threading.Event()

    def wait() -> None:
        waits.set()
        with PrivateFile(path).locked():
            order.append("second")

    second = threading.Thread(target=wait)
    first = locks.take(path.with_name("file.lock"), wait=True)
    assert first is not None
    second.start()
    waits.wait(SOON)
    time.sleep(0.1)
    path.with_name("file.lock").unlink()
    first.release()
    second.join(SOON)
    assert order == ["second"]
    assert path.with_name("file.lock").exists()


def test_a_folder_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(StoreError, match=r"No locks available; GRANTFLOW_HOME moves the files"),
        PrivateFile(tmp_path / "file").locked(),
    ):
        pass


FORKED = """
import os, sys, threading
from pathlib import Path
from grantflow.shell.stores import PrivateFile
path = Path(sys.argv[1])
holds, done = threading.Event(), threading.Event()
tried, released = os.pipe(), os.pipe()

def hold():
    with PrivateFile(path).locked():
        holds.set()
        done.wait()

holder = threading.Thread(target=hold)
holder.start()
holds.wait()
child = os.fork()
if child == 0:
    with PrivateFile(path).locked(wait=False) as during:
        os.write(tried[1], b"x")
    os.read(released[0], 1)
    with PrivateFile(path).locked(wait=False) as after:
        os.write(1, f"{during} {after}".encode())
    os._exit(0)
os.read(tried[0], 1)
done.set()
holder.join()
os.write(released[1], b"x")
os.waitpid(child, 0)
"""


def test_a_forked_child_has_no_part_in_its_parent_s_lock(tmp_path: Path) -> None:
    """Neither does it hold the lock of a parent's thread, nor is it stuck behind it for ever."""
    command = [sys.executable, "-c", FORKED, tmp_path / "file"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SOON)
    assert ran.stdout == "False True"


LEAVES_A_CHILD = """
import ctypes, os, signal, sys, time
from pathlib import Path
from grantflow.shell.stores import PrivateFile

fork = {"python": os.fork, "c": ctypes.CDLL(None).fork}[sys.argv[2]]
with PrivateFile(Path(sys.argv[1])).locked():
    child = fork()
    if child == 0:
        os.close(1)
        while True:
            time.sleep(60)
    print(child, flush=True)
    if sys.argv[2] == "python":
        os.kill(os.getpid(), signal.SIGKILL)
os._exit(0)
"""


@pytest.mark.parametrize("way", ["python", "c"])
def test_a_child_that_lives_on_keeps_no_lock(tmp_path: Path, way: str) -> None:
    """Neither that of a parent that was killed, nor, unknown to Python, that of one that ended."""
    path = tmp_path / "file"
    command = [sys.executable, "-c", LEAVES_A_CHILD, path, way]
    child = int(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
    try:
        with PrivateFile(path).locked(wait=False) as mine:
            assert mine
    finally:
        os.kill(child, signal.SIGKILL)


def test_windows_denies_a_moment_and_is_asked_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace
    denied: list[int] = []

    def deny(old: Path, new: Path) -> None:
        if len(denied) < 3:
            denied.append(1)
            raise PermissionError(errno.EACCES, "in use")
        replace(old, new)

    monkeypatch.setattr(os, "replace", deny)
    FileStore(folder).save("key", FULL)
    assert FileStore(folder).read("key") == FULL
    assert len(denied) == 3
