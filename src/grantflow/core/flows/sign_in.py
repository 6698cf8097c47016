"""Which flow signs a person in: a provider says its shape, and nothing else changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, assert_never

from grantflow.core.client.client import Client
from grantflow.core.flows.device import DeviceFlow
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.two_step import LinkFlow, TwoStepFlow
from grantflow.core.values.secret import Secret

SignInFlow: TypeAlias = DeviceFlow | TwoStepFlow | LinkFlow
"""The flows that a person takes part in."""


def sign_in_flow(
    client: Client,
    *,
    entropy: Secret | str | None = None,
    backoff: Backoff | None = None,
    budget: timedelta | None = None,
) -> SignInFlow:
    """Return the flow that the client's provider wants (``Provider.flow``).

    ``entropy`` is 43 to 128 random letters and digits, new for each sign-in; it is needed where the
    provider wants PKCE or has no device grant. ``ValueError`` says what is missing.

    >>> from grantflow.core.client.provider import Provider
    >>> acme = Provider(
    ...     name="acme",
    ...     token_endpoint="https://acme.example/token",
    ...     device_authorization_endpoint="https://acme.example/device",
    ... )
    >>> type(sign_in_flow(Client(provider=acme, client_id="app"))).__name__
    'DeviceFlow'
    """
    pauses = Backoff() if backoff is None else backoff
    verifier = entropy if client.provider.pkce else None
    match client.provider.flow:
        case "device":
            return DeviceFlow(client, backoff=pauses, budget=budget, verifier=verifier)
        case "two_step":
            return TwoStepFlow(client, backoff=pauses, budget=budget, verifier=verifier)
        case "middleman":
            return LinkFlow(client, entropy or "", backoff=pauses, budget=budget)
        case _:
            assert_never(client.provider.flow)
