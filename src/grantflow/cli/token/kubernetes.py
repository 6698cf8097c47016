"""The exec plugin of kubectl and its kin (client.authentication.k8s.io, KEP 541).

``KUBERNETES_EXEC_INFO`` says what the caller wants; the answer is an ``ExecCredential``.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Final, final

from attrs import frozen

from grantflow.cli.errors import CommandError, usage
from grantflow.core.values.token import Token

VARIABLE: Final = "KUBERNETES_EXEC_INFO"
_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")


@final
@frozen
class Wanted:
    """What the caller wants; ``interactive`` tells whether it lends its terminal."""

    version: str = _VERSIONS[0]
    interactive: bool = True


def wanted(text: str | None) -> Wanted:
    """Read ``KUBERNETES_EXEC_INFO``; without it, a person is trying the command out.

    >>> wanted('{"apiVersion": "client.authentication.k8s.io/v1beta1", "spec": {}}').version
    'client.authentication.k8s.io/v1beta1'
    """
    if not text:
        return Wanted()
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _unreadable("is not JSON") from None
    if not isinstance(found, dict):
        raise _unreadable("is no JSON object")
    version, spec = found.get("apiVersion"), found.get("spec")
    if version not in _VERSIONS:
        raise usage(
            f"{VARIABLE} asks for apiVersion {version!r}; "
            f"in the kubeconfig, use {_VERSIONS[0]}, or v1beta1 for old clients"
        )
    interactive = spec.get("interactive") if isinstance(spec, dict) else None
    return Wanted(version, interactive is not False)


def _unreadable(problem: str) -> CommandError:
    return usage(f"{VARIABLE} {problem}; the Kubernetes client sets it, nobody else should")


def exec_credential(token: Token, version: str) -> str:
    """Return the ``ExecCredential``: the caller keeps the token until its end."""
    status = {"token": token.access_token.reveal()}
    if token.expires_at is not None:
        # Whole seconds of UTC: a part of a second later, the token would be dead.
        ends = token.expires_at.astimezone(UTC).replace(microsecond=0, tzinfo=None)
        status["expirationTimestamp"] = f"{ends.isoformat()}Z"
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
