"""How ``grantflow token`` prints a token: one function per format, from the stored JSON members.

Both ways of the command use it: the quick one, which reads the members from their file, and the
full one, which dumps the token that it acquired. It imports nothing that they do not.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Members = Mapping[str, object]
    """What ``grantflow.codec.dump_token`` writes: the members of a stored token."""

KUBERNETES = "client.authentication.k8s.io"
VERSIONS = (f"{KUBERNETES}/v1", f"{KUBERNETES}/v1beta1")
"""The API versions of an ``ExecCredential``; the first one is the default."""

USER = "oauth2"
"""The user name beside a token that is sent as a password: GitHub takes any, GitLab this one."""

_SCHEMES = {"bearer": "Bearer", "dpop": "DPoP"}


class Wish:
    """What a format needs to know besides the token.

    ``member`` is the token to print, ``version`` the API version that a Kubernetes client asked
    for, ``user`` the name that goes with a password, ``server`` the registry that docker asked for,
    ``scheme`` the word before an access token in a header, if the provider names one; ``bearer``:
    git may send the token as it is, and not as a password.
    """

    __slots__ = ("bearer", "member", "scheme", "server", "user", "version")

    def __init__(
        self,
        member: str = "access_token",
        *,
        version: str = VERSIONS[0],
        user: str = USER,
        server: str = "",
        scheme: str | None = None,
        bearer: bool = False,
    ) -> None:
        self.member: str = member
        self.version: str = version
        self.user: str = user
        self.server: str = server
        self.scheme: str | None = scheme
        self.bearer: bool = bearer


def lines(name: str, token: Members, wish: Wish | None = None) -> list[str]:
    """Return the lines of a format, one of ``FORMATS``.

    >>> lines("header", {"access_token": "at-1", "token_type": "bearer"})
    ['Authorization: Bearer at-1']
    """
    return FORMATS[name](token, wish or Wish())


HEADERS = ("header", "headers-json")
"""The formats with the value of an ``Authorization`` header."""


def scheme_in(profile: object) -> str | None:
    """Return the word before a token in a header, if the provider of a stored profile names one."""
    spelling = profile.get("spelling") if isinstance(profile, dict) else None
    found = spelling.get("authorization_scheme") if isinstance(spelling, dict) else None
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else None


def scheme_for(token: Members, wish: Wish) -> str | None:
    """Return the word before a token in a header (RFC 6750, RFC 9449 section 7.1).

    ``None`` if its type is neither Bearer nor DPoP, and the provider names no word: it is not
    understood, so it must not be sent (RFC 6749 section 7.1).

    >>> scheme_for({"token_type": "bearer"}, Wish()), scheme_for({"token_type": "mac"}, Wish())
    ('Bearer', None)
    """
    if _is_id(wish):
        return "Bearer"
    return wish.scheme or _SCHEMES.get(str(token.get("token_type") or "Bearer").lower())


def _authorization(token: Members, wish: Wish) -> str:
    scheme = scheme_for(token, wish)
    if scheme is None:
        raise ValueError("the token's type is not understood")
    return f"{scheme} {token[wish.member]}"


def _text(token: Members, wish: Wish) -> list[str]:
    return [str(token[wish.member])]


def _json(token: Members, wish: Wish) -> list[str]:
    scope = token.get("scope")
    found = {
        "access_token": token["access_token"],
        "token_type": token.get("token_type") or "Bearer",
        "expires_at": token.get("expires_at"),
        "scope": " ".join(scope) if isinstance(scope, list) else "",
    }
    return [json.dumps(found | ({"id_token": token["id_token"]} if _is_id(wish) else {}))]


def _header(token: Members, wish: Wish) -> list[str]:
    return [f"Authorization: {_authorization(token, wish)}"]


def _headers_json(token: Members, wish: Wish) -> list[str]:
    return [json.dumps({"Authorization": _authorization(token, wish)})]


def _kubernetes(token: Members, wish: Wish) -> list[str]:
    """Return an ``ExecCredential`` (KEP 541): the client keeps the token until its end."""
    status = {"token": token[wish.member]}
    ends = _id_ends(token) if _is_id(wish) else token.get("expires_at")
    if isinstance(ends, str):
        # Whole seconds of UTC: a part of a second later, the token would have expired.
        status["expirationTimestamp"] = f"{ends[:19]}Z"
    return [json.dumps({"apiVersion": wish.version, "kind": "ExecCredential", "status": status})]


def _git_credential(token: Members, wish: Wish) -> list[str]:
    """Return the answer to git's ``get`` (git-credential(1))."""
    found = [f"username={wish.user}", f"password={token[wish.member]}"]
    if wish.bearer:
        found = [
            "capability[]=authtype",
            "authtype=Bearer",
            f"credential={token[wish.member]}",
        ]
    ends = token.get("expires_at")
    if isinstance(ends, str):
        from datetime import datetime

        found.append(f"password_expiry_utc={int(datetime.fromisoformat(ends).timestamp())}")
    return found


def _docker_credential(token: Members, wish: Wish) -> list[str]:
    """Return the answer to docker's ``get`` (docker/docker-credential-helpers)."""
    found = {"ServerURL": wish.server, "Username": wish.user, "Secret": token[wish.member]}
    return [json.dumps(found)]


FORMATS: dict[str, Callable[[Members, Wish], list[str]]] = {
    "text": _text,
    "json": _json,
    "header": _header,
    "headers-json": _headers_json,
    "kubernetes": _kubernetes,
    "git-credential": _git_credential,
    "docker-credential": _docker_credential,
}
"""Each value of ``--format``."""

HELPERS = ("git-credential", "docker-credential")
"""Those that answer another program's question, which is on stdin."""


def _is_id(wish: Wish) -> bool:
    return wish.member == "id_token"


def _id_ends(token: Members) -> str | None:
    from time import gmtime, strftime

    from grantflow.cli.token.claims import instant

    ends = instant(token["id_token"])
    if ends is None:
        return None

    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(ends))


def version_of(text: str) -> str | None:
    """Return the API version that ``--kubernetes-version`` names, with its group or without.

    >>> version_of("v1beta1"), version_of("v1alpha1")
    ('client.authentication.k8s.io/v1beta1', None)
    """
    name = text if "/" in text else f"{KUBERNETES}/{text}"
    return name if name in VERSIONS else None


def exec_request(text: str | None, usual: str | None = None) -> tuple[str, bool] | str:
    """Read ``KUBERNETES_EXEC_INFO``: the API version, and whether the client lends its terminal.

    ``usual`` is the version of an answer to a client that asks for none. Text is what is wrong with
    the variable. Without it, a person is trying the command out, or the client sets none.

    >>> exec_request('{"apiVersion": "client.authentication.k8s.io/v1beta1", "spec": {}}')
    ('client.authentication.k8s.io/v1beta1', True)
    """
    if not text:
        return usual or VERSIONS[0], True
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(found, dict):
        return "is not a JSON object"
    version, spec = found.get("apiVersion", usual), found.get("spec")
    if version not in VERSIONS:
        return f"asks for apiVersion {version!r}"
    interactive = spec.get("interactive") if isinstance(spec, dict) else None
    return version, interactive is not False
