"""The command line that signs in again, for whoever has to."""

from __future__ import annotations

from grantflow.cli.profiles.profiles import Profile


def login_command(profile: Profile) -> str:
    """Return the command line that signs in again as this profile."""
    import shlex  # few get here

    if profile.grant == "given":
        return shlex.join(("grantflow", "login", "--token-stdin", "--profile", profile.name))
    registered = profile.registration is not None
    flags = [
        *_where(profile),
        ("--client-id", None if registered else profile.client_id),
        ("--client-auth", None if registered or _is_usual(profile) else profile.client_auth),
        ("--client-secret-file", profile.client_secret_file),
        ("--client-key-file", profile.client_key_file),
        ("--client-assertion-file", profile.client_assertion_file),
        *(("--scope", each) for each in profile.scope),
        ("--audience", profile.audience),
        *(("--resource", each) for each in profile.resource),
        *(("--param", f"{name}={value}") for name, value in profile.param),
        ("--grant", None if profile.grant == "device" else profile.grant),
        ("--profile", profile.name),
    ]
    named = () if profile.provider is None else (profile.provider,)
    words = [word for flag, value in flags if value is not None for word in (flag, value)]
    proven = ("--dpop",) if profile.dpop else ()
    return shlex.join(("grantflow", "login", *named, *words, *proven))


def _is_usual(profile: Profile) -> bool:
    """Tell whether the client authentication is the one that nobody has to ask for."""
    offered = profile.spelling.get("auth_methods")
    expected = profile.provider is None or not isinstance(offered, tuple) or "none" in offered
    return profile.client_auth == "none" and expected


def _where(profile: Profile) -> tuple[tuple[str, str | None], ...]:
    if profile.provider is not None:
        return (
            ("--provider-file", profile.provider_file),
            *(("--set", f"{name}={value}") for name, value in profile.values),
        )
    if profile.issuer is not None:
        return (("--issuer", profile.issuer),)
    return (
        ("--device-endpoint", profile.device_authorization_endpoint),
        ("--token-endpoint", profile.token_endpoint),
        ("--revocation-endpoint", profile.revocation_endpoint),
    )
