"""The client of a profile, in the world of one run of the command."""

from __future__ import annotations

from grantflow.cli.context import Context
from grantflow.cli.profiles.secrets import STDIN, client_secret
from grantflow.core.client.client import Client
from grantflow.shell.profiles.client import authenticated_client
from grantflow.shell.profiles.profile import Profile


def client_of_profile(profile: Profile, context: Context) -> Client:
    """Return the client of a profile with its authentication, for a request."""
    secret = client_secret(profile, context) if profile.client_secret_file == STDIN else None
    store = context.store(profile.store)
    return authenticated_client(profile, store, context.clock.now().wall, secret)
