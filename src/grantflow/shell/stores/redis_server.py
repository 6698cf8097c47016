"""A Redis server as the store sees it: bytes and whole numbers, and sentences where it fails.

The one place that imports the ``redis`` library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol, TypeVar, final

from grantflow.shell.ports import StoreError

T = TypeVar("T")

# Seconds, all of them.
_TIMEOUT: Final = 5.0
_IDLE: Final = 30.0
_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
_TRIES: Final = 3


class Commands(Protocol):
    """The part of a ``redis.Redis`` or ``redis.RedisCluster`` that is used."""

    def execute_command(self, *args: str | bytes | int, **options: object) -> object:
        """Send a command."""
        ...

    def scan_iter(self, match: str | None = ..., count: int | None = ...) -> Iterator[object]:
        """Walk over the keys."""
        ...


@final
class Server:
    """A client whose troubles are told, without the password of its URL."""

    def __init__(self, client_or_url: Commands | str) -> None:
        try:
            from redis.exceptions import RedisError
        except ImportError as error:
            raise StoreError(
                "RedisStore needs the redis library: pip install 'grantflow[redis]'"
            ) from error
        self._errors: tuple[type[Exception], ...] = (RedisError, OSError)
        self._client: Commands = (
            _connected(client_or_url) if isinstance(client_or_url, str) else client_or_url
        )
        self.where: str = _where(self._client)

    def ask(self, *command: str | bytes | int) -> object:
        """Send one command and return its answer."""
        return self._told(lambda: self._client.execute_command(*command))

    def get(self, name: str) -> bytes:
        """Return what is under a name, none as no bytes, whatever the client decodes."""
        found = self._told(lambda: self._client.execute_command("GET", name, NEVER_DECODE=True))
        return found if isinstance(found, bytes) else b""

    def texts(self, name: str) -> list[bytes]:
        """Return the texts of a list, whatever the client decodes."""
        found = self._told(
            lambda: self._client.execute_command("LRANGE", name, 0, -1, NEVER_DECODE=True)
        )
        return (
            [each for each in found if isinstance(each, bytes)] if isinstance(found, list) else []
        )

    def names(self, pattern: str) -> list[str]:
        """Return the names that fit a pattern; some may come twice."""
        found = self._told(lambda: list(self._client.scan_iter(match=pattern, count=1000)))
        return [name.decode() if isinstance(name, bytes) else str(name) for name in found]

    def _told(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except self._errors as error:
            # Redis repeats the arguments of a command that it does not know: tokens, here.
            said = str(error).partition(", with args")[0] or type(error).__name__
            raise StoreError(f"cannot use Redis at {self.where}: {said}") from None


def _connected(url: str) -> Commands:
    from redis import Redis, exceptions
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    try:
        return Redis.from_url(
            url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            health_check_interval=_IDLE,
            # Every command here may be sent twice. A server that is silent is not asked again: the
            # attempts of a connection and of a command multiply, and callers wait for all of them.
            retry=Retry(
                ExponentialBackoff(cap=_LONGEST_PAUSE, base=_PAUSE),
                _TRIES,
                supported_errors=(exceptions.ConnectionError,),
            ),
            retry_on_error=[exceptions.ConnectionError],
        )
    except ValueError:
        # Its text may hold what was taken for a port: a part of the password.
        raise ValueError(
            "client_or_url: this is no URL of a Redis server, like redis://HOST:6379/0, "
            "rediss://HOST or unix:///PATH; a password in it is percent-encoded"
        ) from None


def _where(client: Commands) -> str:
    settings = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    known: Mapping[str, object] = settings if isinstance(settings, dict) else {}
    if "path" in known:
        return str(known["path"])
    return f"{known['host']}:{known.get('port', 6379)}" if "host" in known else "its servers"
