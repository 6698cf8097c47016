"""Where code, models and packages live."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template, Variable

DEVELOPER: Final = (
    Template(
        "GitHub, and GitHub Enterprise Server by its host",
        "github/docs: authorizing-oauth-apps.md, "
        "troubleshooting-oauth-app-access-token-request-errors.md",
        Provider(
            name="github",
            token_endpoint="https://{host}/login/oauth/access_token",
            device_authorization_endpoint="https://{host}/login/device/code",
            auth_methods=("none", "client_secret_post"),
            answers=ResponseFormat(
                scope_separator=",",
                codes=(
                    ("token_expired", "expired_token"),
                    ("incorrect_device_code", "invalid_grant"),
                    ("bad_refresh_token", "invalid_grant"),
                    ("incorrect_client_credentials", "invalid_client"),
                    ("device_flow_disabled", "unauthorized_client"),
                ),
            ),
        ),
        needs=(Variable("host", default="github.com"),),
        aliases=("ghes", "github-enterprise", "github-enterprise-server"),
    ),
    Template(
        "GitLab, and every server that uses doorkeeper",
        "gitlabhq/gitlabhq doc/api/oauth2.md; doorkeeper-device_authorization_grant",
        Provider(
            name="gitlab",
            token_endpoint="https://{host}{path}/oauth/token",
            device_authorization_endpoint="https://{host}{path}/oauth/authorize_device",
            revocation_endpoint="https://{host}{path}/oauth/revoke",
            auth_methods=("none", "client_secret_post", "client_secret_basic"),
        ),
        needs=(Variable("host", default="gitlab.com"), Variable("path", "path", "")),
        aliases=("doorkeeper",),
    ),
    Template(
        "Bitbucket Cloud",
        "developer.atlassian.com: Bitbucket OAuth 2.0 (client credentials; no device grant)",
        Provider(
            name="bitbucket",
            token_endpoint="https://bitbucket.org/site/oauth2/access_token",
            auth_methods=("client_secret_basic", "client_secret_post"),
            answers=ResponseFormat(fields=(("scope", ("scopes", "scope")),)),
        ),
    ),
    Template(
        "Hugging Face",
        "huggingface/huggingface_hub (5xx, HTML and JSON without a code are no answer)",
        Provider(
            name="huggingface",
            token_endpoint="https://{host}/oauth/token",
            device_authorization_endpoint="https://{host}/oauth/device",
            auth_methods=("none", "client_secret_post", "client_secret_basic"),
            lifetime=timedelta(minutes=15),
        ),
        needs=(Variable("host", default="huggingface.co"),),
        aliases=("hugging-face", "hf"),
    ),
    Template(
        "npm, web login",
        "npm/npm-profile lib/index.js: GET doneUrl, 202 with Retry-After until it is done",
        # No OAuth: no client, no grant; the client's name is shown as that of the machine.
        Provider(
            name="npm",
            token_endpoint="https://{host}/-/v1/done",
            device_authorization_endpoint="https://{host}/-/v1/login",
            encoding="json",
            auth_methods=("none",),
            device=RequestFormat(rename=(("client_id", "hostname"),), drop="scope"),
            poll=RequestFormat(method="GET", drop=("grant_type", "device_code", "client_id")),
            answers=ResponseFormat(
                fields=(
                    ("device_code", ("doneUrl",)),
                    ("verification_uri", ("loginUrl",)),
                    ("access_token", ("token",)),
                ),
                poll_statuses=((202, "authorization_pending"),),
            ),
            poll_at="doneUrl",
            shows_code=False,
            lifetime=timedelta(minutes=10),
        ),
        needs=(Variable("host", default="registry.npmjs.org"),),
    ),
    Template(
        "DVC Studio",
        "treeverse/dvc-studio-client src/dvc_studio_client/auth.py",
        # Client(extra={"token_name": ..., "expires_in_days:": "30"}) says what the token shall be.
        # Where to poll is told by the answer.
        Provider(
            name="dvc-studio",
            token_endpoint="https://{host}/api/device-login/token",
            device_authorization_endpoint="https://{host}/api/device-login",
            encoding="json",
            auth_methods=("none",),
            scope_separator=None,
            device=RequestFormat(rename=(("client_id", "client_name"), ("scope", "scopes"))),
            poll=RequestFormat(rename=(("device_code", "code"),), drop=("grant_type", "client_id")),
            answers=ResponseFormat(
                error="detail", codes=(("authorization_expired", "expired_token"),)
            ),
            poll_at="token_uri",
            authorization_scheme="token",
        ),
        needs=(Variable("host", default="studio.datachain.ai", environment="DVC_STUDIO_URL"),),
        aliases=("dvc", "datachain", "studio"),
    ),
    Template(
        "DagsHub",
        "DagsHub/client dagshub/auth/oauth.py",
        # No device grant: one request that blocks brings a code, which is exchanged.
        Provider(
            name="dagshub",
            flow="middleman",
            authorization_endpoint="https://{host}/login/oauth/authorize",
            poll_endpoint="https://{host}/login/oauth/middleman",
            token_endpoint="https://{host}/login/oauth/access_token",
            userinfo_endpoint="https://{host}/api/v1/user",
            auth_methods=("none",),
            device=RequestFormat(rename=(("request_id", "middleman_request_id"),)),
            poll=RequestFormat(drop="client_id"),
            exchange=RequestFormat(drop=("grant_type", "device_code"), echo="code"),
        ),
        needs=(Variable("host", default="dagshub.com", environment="DAGSHUB_CLIENT_HOST"),),
        client_id="32b60ba385aa7cecf24046d8195a71c07dd345d9657977863b52e7748e0f0f28",
        client_credentials=False,
    ),
)
