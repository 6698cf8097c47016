"""A client that the command registers by itself (RFC 7591), where a provider wants one of its own.

The registration is in the store beside the tokens, as ``Registration`` keeps it; a profile knows
its place there. It is used until its end by whatever signs in at the same provider.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from grantflow.cli import context as outside
from grantflow.cli.errors import PERSON_NEEDED, CommandError, ended
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.profiles.provider import plain_provider
from grantflow.cli.transport import Traced
from grantflow.core.acquisition.freshness import alive
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows.registration import RegistrationFlow, registered_client
from grantflow.core.values.errors import InteractionRequired

_NAME: Final = "grantflow"
"""What people are shown as the client's name."""


def registered(
    profile: Profile, provider: Provider, send: Traced
) -> tuple[Profile, ClientAuthentication]:
    """Return the profile of a registered client and its proof; registers it where that is due."""
    from grantflow.shell.sources.blocking import GrantError
    from grantflow.shell.sources.registration import Registration

    flow = RegistrationFlow(provider=provider, client_name=_NAME, scope=profile.scope)
    unnamed = Client(provider=provider, client_id=_NAME)
    registration = Registration(
        unnamed, flow, store=outside.store(), transport=send, clock=outside.clock()
    )
    try:
        client = registration()
    except GrantError as error:
        match error.problem:
            case InteractionRequired():
                raise
            case problem:
                raise ended(problem, where=send.asked) from None
    found = evolve(profile, client_id=client.client_id, registration=flow.key)
    return found, client.authentication


def proof_of(profile: Profile, place: str, again: str) -> ClientAuthentication:
    """Return the proof of a profile's registered client, which is stored at ``place``.

    ``again`` is the command line that signs in anew, for where it has ended.
    """
    token = outside.store().read(place)
    now = outside.clock().now().wall
    if token is None or not alive(token, now) or token.extra.get("client_id") != profile.client_id:
        raise CommandError(
            f"the registered client of profile {profile.name!r} has ended; a person has to sign in "
            f"again, with a new one; run: {again}",
            PERSON_NEEDED,
            word="login_required",
        )
    unnamed = Client(provider=plain_provider(profile), client_id=_NAME)
    return registered_client(unnamed, token).authentication
