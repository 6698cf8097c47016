"""Start and stop what keeps tokens: redis-server, and gnome-keyring on a bus of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from jeepney import DBusErrorResponse
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
from redis import Redis
from redis.exceptions import RedisError

HERE = Path(__file__).parent
START_SECONDS = 20.0
STOP_SECONDS = 10.0
PASSWORD = "the-login-keyring"


def missing(*programs: str) -> str | None:
    """Why a server cannot start, or None."""
    absent = [each for each in programs if shutil.which(each) is None]
    return f"not installed: {', '.join(absent)}: run {HERE / 'install.sh'}" if absent else None


@contextmanager
def running(
    command: list[str], ready: Callable[[], bool], say: str = "", **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, or this process does."""
    wrapped = [sys.executable, str(HERE / "until_parent_ends.py"), say, *command]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            wrapped,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} did not start:\n{log.read().decode()}")
                time.sleep(0.02)
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(STOP_SECONDS)


@frozen
class RedisServer:
    """A redis-server without persistence, on a unix socket."""

    socket: Path
    password: str | None = None

    @property
    def url(self) -> str:
        user = "" if self.password is None else f":{self.password}@"
        return f"unix://{user}{self.socket}"

    def client(self, *, decode_responses: bool = False) -> Redis:
        return Redis(
            unix_socket_path=str(self.socket),
            password=self.password,
            decode_responses=decode_responses,
        )


def missing_redis() -> str | None:
    return missing("redis-server")


@contextmanager
def start_redis(password: str | None = None) -> Iterator[RedisServer]:
    """One more server; it listens on no port."""
    # Not pytest's folder: a socket's path holds 107 characters.
    with tempfile.TemporaryDirectory(prefix="grantflow-redis-") as folder:
        server = RedisServer(Path(folder, "redis.sock"), password)
        command = ["redis-server", "--port", "0", "--unixsocket", str(server.socket)]
        command += ["--unixsocketperm", "700", "--dir", folder, "--save", "", "--appendonly", "no"]
        if password is not None:
            command += ["--requirepass", password]

        def ready() -> bool:
            if not server.socket.exists():
                return False
            try:
                with server.client() as client:
                    return bool(client.ping())
            except RedisError:
                return False

        with running(command, ready):
            yield server


@frozen
class SecretService:
    """gnome-keyring with an unlocked login keyring; a process gets there by its environment."""

    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    def died(self) -> bool:
        return self.process.poll() is not None


# No folder of services: a bus with one would start a second, locked keyring where the first died,
# and a window that asks for its password.
BUS = """
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def missing_secret_service() -> str | None:
    return missing("dbus-daemon", "gnome-keyring-daemon")


@contextmanager
def start_secret_service() -> Iterator[SecretService]:
    """A bus, and a keyring whose files are in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="grantflow-keyring-") as folder:
        home = Path(folder)
        address = f"unix:path={home / 'bus'}"
        environment = {
            "DBUS_SESSION_BUS_ADDRESS": address,
            "HOME": folder,
            "XDG_RUNTIME_DIR": folder,
            "XDG_DATA_HOME": folder,
        }
        (home / "bus.conf").write_text(BUS.format(address=address))
        bus = ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={home / 'bus.conf'}"]
        daemon = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
        with (
            running(bus, (home / "bus").exists, **environment),
            running(
                [*daemon, f"--control-directory={home / 'control'}"],
                lambda: _has_owner(address, "org.freedesktop.secrets"),
                PASSWORD,
                **environment,
            ) as process,
        ):
            yield SecretService(environment, process)


def _has_owner(address: str, name: str) -> bool:
    try:
        with open_dbus_connection(address) as connection:
            answer = connection.send_and_get_reply(message_bus.NameHasOwner(name))
            return answer.body == (True,)
    except (OSError, DBusErrorResponse):
        return False
