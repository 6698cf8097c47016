"""Which flow signs in: the grant says its kind, and for device sign-ins the provider's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, Literal, TypeAlias, cast, overload

from grantflow.core.client.client import Client
from grantflow.core.client.identity import Grant
from grantflow.core.client.provider import FlowName
from grantflow.core.flows.client_credentials import ClientCredentialsFlow
from grantflow.core.flows.device import DeviceFlow
from grantflow.core.flows.flow import Flow
from grantflow.core.flows.link import LinkFlow
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.states import DeviceState, GrantState
from grantflow.core.flows.two_step import TwoStepFlow
from grantflow.core.values.secret import Secret

SignInFlow: TypeAlias = DeviceFlow | TwoStepFlow | LinkFlow
"""The flows in which a person takes part."""

FlowFactory: TypeAlias = Callable[[Client], Flow[DeviceState] | Flow[GrantState]]
"""Makes the flow of any other grant for a client."""

Entropy: TypeAlias = Secret | str | None
Factory: TypeAlias = Callable[[Client, Entropy, Backoff, timedelta | None], SignInFlow]


def _device(
    client: Client, entropy: Entropy, backoff: Backoff, budget: timedelta | None
) -> DeviceFlow:
    return DeviceFlow(client, backoff=backoff, budget=budget, verifier=_verifier(client, entropy))


def _two_step(
    client: Client, entropy: Entropy, backoff: Backoff, budget: timedelta | None
) -> TwoStepFlow:
    return TwoStepFlow(client, backoff=backoff, budget=budget, verifier=_verifier(client, entropy))


def _link(client: Client, entropy: Entropy, backoff: Backoff, budget: timedelta | None) -> LinkFlow:
    return LinkFlow(client, entropy or "", backoff=backoff, budget=budget)


def _verifier(client: Client, entropy: Entropy) -> Entropy:
    return entropy if client.uses_pkce else None


SIGN_INS: Final[Mapping[FlowName, Factory]] = {
    "device": _device,
    "two_step": _two_step,
    "link": _link,
}
"""What each name of ``Provider.flow`` stands for."""


@overload
def flow_for(
    client: Client,
    grant: Literal["device"] = "device",
    *,
    entropy: Entropy = None,
    backoff: Backoff | None = None,
    budget: timedelta | None = None,
) -> Flow[DeviceState]: ...
@overload
def flow_for(
    client: Client,
    grant: Literal["client_credentials"],
    *,
    entropy: Entropy = None,
    backoff: Backoff | None = None,
    budget: timedelta | None = None,
) -> ClientCredentialsFlow: ...
@overload
def flow_for(
    client: Client,
    grant: Grant,
    *,
    entropy: Entropy = None,
    backoff: Backoff | None = None,
    budget: timedelta | None = None,
) -> Flow[DeviceState] | Flow[GrantState]: ...
def flow_for(
    client: Client,
    grant: Grant = "device",
    *,
    entropy: Entropy = None,
    backoff: Backoff | None = None,
    budget: timedelta | None = None,
) -> Flow[DeviceState] | Flow[GrantState]:
    """Return the flow of a grant at the client's provider.

    ``entropy`` is 43 to 128 random letters and digits, new for each sign-in; it is needed if the
    provider requires PKCE or has no device grant. ``ValueError`` says what is missing.

    >>> from grantflow.core.client.provider import Provider
    >>> url = "https://acme.example/oauth"
    >>> acme = Provider(name="acme", token_endpoint=url, device_authorization_endpoint=url)
    >>> type(flow_for(Client(provider=acme, client_id="app"))).__name__
    'DeviceFlow'
    """
    pauses = Backoff() if backoff is None else backoff
    if grant == "device":
        made = SIGN_INS[client.provider.flow](client, entropy, pauses, budget)
        return cast("Flow[DeviceState]", made)  # typed by its phases
    if budget is None:
        return ClientCredentialsFlow(client, backoff=pauses)
    return ClientCredentialsFlow(client, backoff=pauses, budget=budget)
