"""Identity as a service: whose tenants other products sign in with."""

from __future__ import annotations

from typing import Final

from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template, Variable

_ENTRA_CODES: Final = (
    ("authorization_declined", "access_denied"),
    ("bad_verification_code", "invalid_grant"),
    ("code_expired", "expired_token"),
)

# Auth0 tells expired_token once; whoever lost that answer hears invalid_grant from then on.
_AUTH0: Final = ResponseFormat(
    codes=(("too_many_requests", "slow_down"),), poll_codes=(("invalid_grant", "expired_token"),)
)

# The Azure AD of before 2015 and ADFS: the draft's names, the resource beside the scope (give it
# as ``Client(resource=...)``), and numbers as text.
_ENTRA_V1_POLL: Final = RequestFormat(
    rename=(("device_code", "code"),), fixed=(("grant_type", "device_code"),)
)

_OKTA_LIMITS: Final = ResponseFormat(
    # Beyond its rate limit Okta answers in the envelope of its other APIs.
    error=("error", "errorCode"),
    description=("error_description", "errorSummary"),
    codes=(("E0000047", "slow_down"),),
)

IDENTITY: Final = (
    Template(
        "Microsoft Entra ID (v2.0)",
        "MicrosoftDocs/entra-docs docs/identity-platform/v2-oauth2-device-code.md",
        Provider(
            name="entra",
            token_endpoint="https://{host}/{tenant}/oauth2/v2.0/token",
            device_authorization_endpoint="https://{host}/{tenant}/oauth2/v2.0/devicecode",
            auth_methods=("none", "client_secret_post", "client_secret_basic", "private_key_jwt"),
            answers=ResponseFormat(codes=_ENTRA_CODES),
        ),
        # The clouds of governments have hosts of their own, such as login.microsoftonline.us.
        needs=(Variable("tenant", "word"), Variable("host", default="login.microsoftonline.com")),
        aliases=("microsoft", "azure", "azuread", "azure-ad", "entra-id"),
        client_credentials=True,
    ),
    Template(
        "Microsoft Entra ID (v1.0)",
        "Azure/go-autorest autorest/adal/devicetoken.go, token.go",
        Provider(
            name="entra-v1",
            token_endpoint="https://{host}/{tenant}/oauth2/token?api-version=1.0",
            device_authorization_endpoint="https://{host}/{tenant}/oauth2/devicecode?api-version=1.0",
            auth_methods=("none", "client_secret_post"),
            poll=_ENTRA_V1_POLL,
            answers=ResponseFormat(codes=_ENTRA_CODES),
        ),
        needs=(Variable("tenant", "word"), Variable("host", default="login.microsoftonline.com")),
        aliases=("azuread-v1", "adal"),
    ),
    Template(
        "Active Directory Federation Services",
        "MSAL.NET's ADFS tests; AzureAD/azure-activedirectory-library-for-python",
        Provider(
            name="adfs",
            token_endpoint="https://{host}/adfs/oauth2/token",
            device_authorization_endpoint="https://{host}/adfs/oauth2/devicecode",
            auth_methods=("none", "client_secret_post", "client_secret_basic"),
            poll=_ENTRA_V1_POLL,
            answers=ResponseFormat(codes=_ENTRA_CODES),
        ),
        needs=(Variable("host"),),
    ),
    Template(
        "Auth0",
        "auth0/docs-v2: Call Your API Using the Device Authorization Flow",
        Provider(
            name="auth0",
            token_endpoint="https://{host}/oauth/token",
            device_authorization_endpoint="https://{host}/oauth/device/code",
            revocation_endpoint="https://{host}/oauth/revoke",
            auth_methods=("none", "client_secret_post", "client_secret_basic", "private_key_jwt"),
            answers=_AUTH0,
        ),
        needs=(Variable("host"),),
        client_credentials=True,
    ),
    Template(
        "Docker Hub",
        "docker/cli internal/oauth/api (an Auth0 tenant)",
        Provider(
            name="docker-hub",
            token_endpoint="https://login.docker.com/oauth/token",
            device_authorization_endpoint="https://login.docker.com/oauth/device/code",
            revocation_endpoint="https://login.docker.com/oauth/revoke",
            auth_methods=("none",),
            answers=_AUTH0,
        ),
        aliases=("docker", "dockerhub"),
    ),
    Template(
        "Bitfount",
        "auth0/docs-v2; the client of Bitfount is one of Auth0's (its host is its own)",
        Provider(
            name="bitfount",
            token_endpoint="https://{host}/oauth/token",
            device_authorization_endpoint="https://{host}/oauth/device/code",
            auth_methods=("none",),
            answers=_AUTH0,
        ),
        needs=(Variable("host"),),
    ),
    Template(
        "Okta",
        "okta/okta-developer-docs: device authorization grant guide, data/oauth2-error-codes.json",
        Provider(
            name="okta",
            token_endpoint="https://{host}/oauth2/{server}/v1/token",
            device_authorization_endpoint="https://{host}/oauth2/{server}/v1/device/authorize",
            revocation_endpoint="https://{host}/oauth2/{server}/v1/revoke",
            auth_methods=("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
            answers=_OKTA_LIMITS,
        ),
        needs=(Variable("host"), Variable("server", "word", "default")),
        client_credentials=True,
    ),
    Template(
        "Okta's org authorization server",
        "okta/okta-developer-docs: authorization servers (the org server has no id in its path)",
        Provider(
            name="okta-org",
            token_endpoint="https://{host}/oauth2/v1/token",
            device_authorization_endpoint="https://{host}/oauth2/v1/device/authorize",
            revocation_endpoint="https://{host}/oauth2/v1/revoke",
            auth_methods=("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
            answers=_OKTA_LIMITS,
        ),
        needs=(Variable("host"),),
        client_credentials=True,
    ),
    Template(
        "PingOne",
        "Ping's guides: /as/device_authorization; its error statuses were not found",
        Provider(
            name="pingone",
            token_endpoint="https://auth.pingone.{region}/{environment}/as/token",
            device_authorization_endpoint="https://auth.pingone.{region}/{environment}/as/device_authorization",
            auth_methods=("none", "client_secret_basic", "client_secret_post"),
        ),
        needs=(
            Variable("environment", "word"),
            Variable("region", default="com", choices=("com", "eu", "ca", "asia", "com.au", "sg")),
        ),
        aliases=("ping",),
    ),
    Template(
        "PingFederate",
        "PingFederate's metadata: /as/device_authz.oauth2, /as/token.oauth2",
        Provider(
            name="pingfederate",
            token_endpoint="https://{host}/as/token.oauth2",
            device_authorization_endpoint="https://{host}/as/device_authz.oauth2",
            revocation_endpoint="https://{host}/as/revoke_token.oauth2",
            auth_methods=("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
        ),
        needs=(Variable("host"),),
    ),
    Template(
        "OneLogin",
        "OneLogin API: Generate Tokens v2 (client credentials; no device grant found)",
        Provider(
            name="onelogin",
            token_endpoint="https://{host}/auth/oauth2/v2/token",
            auth_methods=("client_secret_basic", "client_secret_post"),
            # v1 of the API wraps the token in data[0], beside a status of its own.
            answers=ResponseFormat(root="data.0", token_statuses=((401, "invalid_client"),)),
        ),
        needs=(Variable("host"),),
    ),
    Template(
        "Oracle Identity Cloud Service",
        "Oracle IDCS: device code grant (response_type=device_code; interval may be missing)",
        Provider(
            name="oracle-idcs",
            token_endpoint="https://{host}/oauth2/v1/token",
            device_authorization_endpoint="https://{host}/oauth2/v1/device",
            auth_methods=("none", "client_secret_basic"),
            device=RequestFormat(fixed=(("response_type", "device_code"),)),
        ),
        needs=(Variable("host"),),
        aliases=("idcs",),
    ),
)
