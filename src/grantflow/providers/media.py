"""Televisions, games and downloads: the devices that the device grant was made for."""

from __future__ import annotations

from typing import Final

from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template

_TRAKT_STATUSES: Final = (
    (400, "authorization_pending"),
    (404, "invalid_grant"),
    (409, "invalid_grant"),
    (410, "expired_token"),
    (418, "access_denied"),
)

MEDIA: Final = (
    Template(
        "Twitch",
        "dev.twitch.tv: device code grant flow; twitchdev/issues #952 #971 #975 #1037",
        Provider(
            name="twitch",
            token_endpoint="https://id.twitch.tv/oauth2/token",
            device_authorization_endpoint="https://id.twitch.tv/oauth2/device",
            revocation_endpoint="https://id.twitch.tv/oauth2/revoke",
            auth_methods=("none", "client_secret_post"),
            device=RequestFormat(rename=(("scope", "scopes"),)),
            poll=RequestFormat(rename=(("scope", "scopes"),), again="scope"),  # issue 971
            answers=ResponseFormat(
                # The code is a sentence in "message"; "error", where it is there, says the status.
                error=("message", "error"),
                codes=(
                    ("invalid device code", "expired_token"),
                    ("Invalid refresh token", "invalid_grant"),
                    ("invalid client", "invalid_client"),
                    ("invalid client secret", "invalid_client"),
                ),
            ),
        ),
        client_credentials=True,
    ),
    Template(
        "Trakt",
        "trakt/trakt-api: device code, get token (the status alone tells); moogar0880/PyTrakt",
        Provider(
            name="trakt",
            token_endpoint="https://api.trakt.tv/oauth/token",
            device_authorization_endpoint="https://api.trakt.tv/oauth/device/code",
            poll_endpoint="https://api.trakt.tv/oauth/device/token",
            encoding="json",
            headers=(("trakt-api-version", "2"),),
            client_id_header="trakt-api-key",
            auth_methods=("client_secret_post",),
            device=RequestFormat(drop=("client_secret", "scope")),
            poll=RequestFormat(rename=(("device_code", "code"),), drop="grant_type"),
            # The table is for polls only: a refresh answers 400 with invalid_grant.
            answers=ResponseFormat(poll_statuses=_TRAKT_STATUSES),
        ),
    ),
    Template(
        "Spotify",
        "developer.spotify.com: client credentials flow (no device grant for the public)",
        Provider(
            name="spotify",
            token_endpoint="https://accounts.spotify.com/api/token",
            auth_methods=("client_secret_basic",),
        ),
    ),
    Template(
        "TIDAL",
        "python clients of auth.tidal.com (camelCase for the code, snake_case for the token)",
        Provider(
            name="tidal",
            token_endpoint="https://auth.tidal.com/v1/oauth2/token",
            device_authorization_endpoint="https://auth.tidal.com/v1/oauth2/device_authorization",
            auth_methods=("client_secret_basic", "client_secret_post"),
            poll=RequestFormat(again="scope"),
            link_scheme="https",  # it sends "link.tidal.com/ABCDE"
            answers=ResponseFormat(
                fields=(
                    ("device_code", ("deviceCode",)),
                    ("user_code", ("userCode",)),
                    ("verification_uri", ("verificationUri",)),
                    ("verification_uri_complete", ("verificationUriComplete",)),
                    ("expires_in", ("expires_in", "expiresIn")),
                )
            ),
        ),
    ),
    Template(
        "Epic Games",
        "clients of account-public-service (no page of Epic's shows this flow)",
        # The request for a code wants a token of the application as its bearer, which a flow of
        # two steps brings; everything from the poll on is here. Basic encodes nothing.
        Provider(
            name="epic",
            token_endpoint="https://account-public-service-prod.ol.epicgames.com/account/api/oauth/token",
            device_authorization_endpoint=(
                "https://account-public-service-prod.ol.epicgames.com"
                "/account/api/oauth/deviceAuthorization"
            ),
            auth_methods=("client_secret_basic_raw",),
            device=RequestFormat(fixed=(("prompt", "login"),)),
            poll=RequestFormat(fixed=(("grant_type", "device_code"),)),
            answers=ResponseFormat(
                # "error" beside it says invalid_grant for all of them.
                error=("errorCode", "error"),
                description=("errorMessage", "error_description"),
                codes=(
                    (
                        "errors.com.epicgames.account.oauth.authorization_pending",
                        "authorization_pending",
                    ),
                    ("errors.com.epicgames.account.oauth.slow_down", "slow_down"),
                    ("errors.com.epicgames.account.oauth.authorization_expired", "expired_token"),
                    ("errors.com.epicgames.not_found", "expired_token"),
                    ("errors.com.epicgames.account.invalid_client_credentials", "invalid_client"),
                ),
            ),
        ),
        aliases=("epic-games", "fortnite"),
    ),
    Template(
        "Real-Debrid",
        "api.real-debrid.com: authentication for applications",
        # For applications without a secret: the poll brings credentials of the person's own.
        Provider(
            name="real-debrid",
            flow="two_step",
            token_endpoint="https://api.real-debrid.com/oauth/v2/token",
            device_authorization_endpoint="https://api.real-debrid.com/oauth/v2/device/code",
            poll_endpoint="https://api.real-debrid.com/oauth/v2/device/credentials",
            auth_methods=("none",),
            device=RequestFormat(
                method="GET",
                encoding="query",
                drop="scope",
                fixed=(("new_credentials", "yes"),),
            ),
            poll=RequestFormat(
                method="GET",
                encoding="query",
                rename=(("device_code", "code"),),
                drop="grant_type",
            ),
            exchange=RequestFormat(
                rename=(("device_code", "code"),),
                fixed=(("grant_type", "http://oauth.net/grant_type/device/1.0"),),
                echo=("client_id", "client_secret"),
            ),
            refresh=RequestFormat(
                rename=(("refresh_token", "code"),),
                fixed=(("grant_type", "http://oauth.net/grant_type/device/1.0"),),
            ),
            answers=ResponseFormat(
                fields=(("verification_uri_complete", ("direct_verification_url",)),),
                poll_statuses=((403, "authorization_pending"),),
            ),
        ),
    ),
    Template(
        "Premiumize",
        "clients of www.premiumize.me/token (one endpoint for both requests)",
        Provider(
            name="premiumize",
            token_endpoint="https://www.premiumize.me/token",
            device_authorization_endpoint="https://www.premiumize.me/token",
            auth_methods=("none",),
            device=RequestFormat(fixed=(("response_type", "device_code"),)),
            poll=RequestFormat(
                rename=(("device_code", "code"),), fixed=(("grant_type", "device_code"),)
            ),
        ),
    ),
    Template(
        "Debrid-Link",
        "debrid-link.com/api_doc: device flow",
        Provider(
            name="debrid-link",
            token_endpoint="https://debrid-link.com/api/oauth/token",
            device_authorization_endpoint="https://debrid-link.com/api/oauth/device/code",
            auth_methods=("none", "client_secret_post"),
            poll=RequestFormat(rename=(("device_code", "code"),)),
        ),
    ),
    Template(
        "TorBox",
        "clients of api.torbox.app: /user/auth/device/start, /user/auth/device/token",
        Provider(
            name="torbox",
            token_endpoint="https://api.torbox.app/v1/api/user/auth/device/token",
            device_authorization_endpoint="https://api.torbox.app/v1/api/user/auth/device/start",
            encoding="json",
            auth_methods=("none",),
            device=RequestFormat(
                method="GET", encoding="query", rename=(("client_id", "app"),), drop="scope"
            ),
            poll=RequestFormat(drop=("grant_type", "client_id")),
            answers=ResponseFormat(
                root="data",
                fields=(
                    ("user_code", ("code",)),
                    ("verification_uri_complete", ("friendly_verification_url",)),
                ),
                description=("detail",),
                codes=(("expired_device_code", "expired_token"),),
                poll_codes=(("not_authorized", "authorization_pending"),),
                poll_statuses=((400, "authorization_pending"),),
            ),
        ),
    ),
    Template(
        "tado°",
        "clients of login.tado.com/oauth2 (a FusionAuth)",
        Provider(
            name="tado",
            token_endpoint="https://login.tado.com/oauth2/token",
            device_authorization_endpoint="https://login.tado.com/oauth2/device_authorize",
            auth_methods=("none",),
        ),
    ),
)
