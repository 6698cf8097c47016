"""Networks of people."""

from __future__ import annotations

from typing import Final

from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template, Variable

# A Facebook client names itself by "<app id>|<client token>"; give both so as the client_id.
_FACEBOOK_NAMES: Final = (("client_id", "access_token"), ("device_code", "code"))

_BAIDU: Final = RequestFormat(method="GET", encoding="query")

SOCIAL: Final = (
    Template(
        "Facebook",
        "facebook/facebook-android-sdk DeviceAuthDialog.kt",
        Provider(
            name="facebook",
            token_endpoint="https://graph.facebook.com/{version}/device/login_status",
            device_authorization_endpoint="https://graph.facebook.com/{version}/device/login",
            auth_methods=("none",),
            scope_separator=",",
            device=RequestFormat(rename=_FACEBOOK_NAMES),
            poll=RequestFormat(rename=_FACEBOOK_NAMES, drop="grant_type"),
            answers=ResponseFormat(
                fields=(("device_code", ("code",)),),
                error=("error.error_subcode", "error.code"),
                description=("error.error_user_msg", "error.message"),
                codes=(
                    ("1349174", "authorization_pending"),
                    ("1349172", "slow_down"),
                    ("1349173", "access_denied"),
                    ("1349152", "expired_token"),
                    ("31", "authorization_pending"),
                    ("17", "slow_down"),
                ),
            ),
        ),
        needs=(Variable("version", "word", "v2.6"),),
        aliases=("meta",),
    ),
    Template(
        "Reddit",
        "reddit-archive/reddit wiki: OAuth2, application only (Basic even without a secret)",
        Provider(
            name="reddit",
            token_endpoint="https://www.reddit.com/api/v1/access_token",
            revocation_endpoint="https://www.reddit.com/api/v1/revoke_token",
            auth_methods=("client_secret_basic",),
            answers=ResponseFormat(
                description=("error_description", "message"), codes=(("401", "invalid_client"),)
            ),
        ),
    ),
    Template(
        "Discord",
        "discord/discord-api-docs: client credentials grant (no device grant for the public)",
        Provider(
            name="discord",
            token_endpoint="https://discord.com/api/oauth2/token",
            revocation_endpoint="https://discord.com/api/oauth2/token/revoke",
            auth_methods=("client_secret_basic", "client_secret_post"),
        ),
    ),
    Template(
        "LinkedIn",
        "learn.microsoft.com/linkedin: client credentials (expires_in may be text)",
        Provider(
            name="linkedin",
            token_endpoint="https://www.linkedin.com/oauth/v2/accessToken",
            auth_methods=("client_secret_post",),
        ),
    ),
    Template(
        "Yandex",
        "yandex.com/dev/id: OAuth with a code on another device (oauth.yandex.ru/device/code)",
        Provider(
            name="yandex",
            token_endpoint="https://oauth.yandex.ru/token",
            device_authorization_endpoint="https://oauth.yandex.ru/device/code",
            auth_methods=("client_secret_post", "client_secret_basic"),
            device=RequestFormat(drop="client_secret"),
            poll=RequestFormat(
                rename=(("device_code", "code"),), fixed=(("grant_type", "device_code"),)
            ),
            authorization_scheme="OAuth",
        ),
    ),
    Template(
        "Baidu",
        "pan.baidu.com/union/doc/fl1x114ti: device code mode",
        Provider(
            name="baidu",
            token_endpoint="https://openapi.baidu.com/oauth/2.0/token",
            device_authorization_endpoint="https://openapi.baidu.com/oauth/2.0/device/code",
            headers=(("User-Agent", "pan.baidu.com"),),
            auth_methods=("client_secret_post",),
            scope_separator=",",
            device=RequestFormat(
                method="GET",
                encoding="query",
                drop="client_secret",
                fixed=(("response_type", "device_code"),),
            ),
            poll=RequestFormat(
                method="GET",
                encoding="query",
                rename=(("device_code", "code"),),
                fixed=(("grant_type", "device_token"),),
            ),
            token=_BAIDU,
            refresh=_BAIDU,
            answers=ResponseFormat(codes=(("authorization_declined", "access_denied"),)),
        ),
    ),
)
