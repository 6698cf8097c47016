"""Clouds, and the business services beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template, Variable

# AWS names its errors after exceptions in the header, and in the RFC's words in the body.
_AWS_CODES: Final = (
    ("AuthorizationPendingException", "authorization_pending"),
    ("SlowDownException", "slow_down"),
    ("ExpiredTokenException", "expired_token"),
    ("AccessDeniedException", "access_denied"),
    ("InvalidClientException", "invalid_client"),
    ("InvalidGrantException", "invalid_grant"),
    ("InvalidRequestException", "invalid_request"),
    ("InvalidScopeException", "invalid_scope"),
    ("UnauthorizedClientException", "unauthorized_client"),
    ("UnsupportedGrantTypeException", "unsupported_grant_type"),
)
_AWS_NAMES: Final = (
    ("grant_type", "grantType"),
    ("device_code", "deviceCode"),
    ("client_id", "clientId"),
    ("client_secret", "clientSecret"),
    ("refresh_token", "refreshToken"),
)

CLOUD: Final = (
    Template(
        "Google",
        "developers.google.com/identity/protocols/oauth2/limited-input-device",
        Provider(
            name="google",
            token_endpoint="https://oauth2.googleapis.com/token",
            device_authorization_endpoint="https://oauth2.googleapis.com/device/code",
            revocation_endpoint="https://oauth2.googleapis.com/revoke",
            # Even a client for televisions has a secret; only the poll wants it.
            auth_methods=("client_secret_post",),
            device=RequestFormat(drop="client_secret"),
            answers=ResponseFormat(
                error=("error", "error_code"),
                codes=(
                    ("rate_limit_exceeded", "slow_down"),
                    ("admin_policy_enforced", "access_denied"),
                    ("org_internal", "access_denied"),
                ),
            ),
        ),
        aliases=("youtube", "gcp"),
    ),
    Template(
        "AWS IAM Identity Center",
        "boto/botocore sso-oidc service-2.json; aws/aws-cli#5878",
        # RegisterClient comes first (Registration). The start URL belongs to the sign-in, not to
        # the provider: Client(extra={"startUrl": "https://..."}).
        Provider(
            name="aws",
            token_endpoint="https://oidc.{region}.amazonaws.com/token",
            device_authorization_endpoint="https://oidc.{region}.amazonaws.com/device_authorization",
            registration_endpoint="https://oidc.{region}.amazonaws.com/client/register",
            encoding="json",
            scope_separator=None,
            auth_methods=("client_secret_post",),
            device=RequestFormat(rename=_AWS_NAMES, drop="scope"),
            poll=RequestFormat(rename=_AWS_NAMES),
            refresh=RequestFormat(rename=_AWS_NAMES),
            registration=RequestFormat(
                rename=(("client_name", "clientName"), ("scope", "scopes")),
                drop=("grant_types", "token_endpoint_auth_method"),
                fixed=(("clientType", "public"),),
            ),
            answers=ResponseFormat(
                fields=(
                    ("client_id", ("clientId",)),
                    ("client_secret", ("clientSecret",)),
                    ("client_secret_expires_at", ("clientSecretExpiresAt",)),
                    ("device_code", ("deviceCode",)),
                    ("user_code", ("userCode",)),
                    ("verification_uri", ("verificationUri",)),
                    ("verification_uri_complete", ("verificationUriComplete",)),
                    ("access_token", ("accessToken",)),
                    ("token_type", ("tokenType",)),
                    ("expires_in", ("expiresIn",)),
                    ("refresh_token", ("refreshToken",)),
                    ("id_token", ("idToken",)),
                ),
                error_header="x-amzn-ErrorType",
                codes=_AWS_CODES,
            ),
        ),
        needs=(Variable("region", "label"),),
        aliases=("aws-sso", "iam-identity-center", "aws-iam-identity-center"),
    ),
    Template(
        "Amazon Cognito",
        "docs.aws.amazon.com cognito token endpoint (client credentials; no device grant)",
        Provider(
            name="cognito",
            token_endpoint="https://{host}/oauth2/token",
            revocation_endpoint="https://{host}/oauth2/revoke",
            auth_methods=("client_secret_basic", "client_secret_post"),
        ),
        needs=(Variable("host"),),
    ),
    Template(
        "Login with Amazon",
        "developer.amazon.com: code-based linking (CBL); avs-device-sdk",
        # Alexa wants scope_data as well: Client(extra={"scope_data": "{...}"}).
        Provider(
            name="amazon",
            token_endpoint="https://api.amazon.com/auth/o2/token",
            device_authorization_endpoint="https://api.amazon.com/auth/o2/create/codepair",
            auth_methods=("none", "client_secret_post"),
            device=RequestFormat(fixed=(("response_type", "device_code"),)),
            poll=RequestFormat(
                fixed=(("grant_type", "device_code"),), echo="user_code", drop="client_id"
            ),
            answers=ResponseFormat(
                codes=(
                    ("invalid_code_pair", "expired_token"),
                    ("InvalidValue", "invalid_request"),
                )
            ),
        ),
        aliases=("lwa", "login-with-amazon", "alexa"),
    ),
    Template(
        "Salesforce",
        "forcedotcom/sfdx-core deviceOauthService.ts; help.salesforce.com: device flow",
        # One endpoint for both requests, and no expires_in in either answer: sfdx stops after 100
        # polls. The flow was announced to end in January 2026 for some apps.
        Provider(
            name="salesforce",
            token_endpoint="https://{host}/services/oauth2/token",
            device_authorization_endpoint="https://{host}/services/oauth2/token",
            revocation_endpoint="https://{host}/services/oauth2/revoke",
            auth_methods=("none", "client_secret_post", "client_secret_basic"),
            device=RequestFormat(fixed=(("response_type", "device_code"),)),
            poll=RequestFormat(
                rename=(("device_code", "code"),), fixed=(("grant_type", "device"),)
            ),
            lifetime=timedelta(seconds=500),
        ),
        # A sandbox is test.salesforce.com; client credentials want the own domain.
        needs=(Variable("host", default="login.salesforce.com"),),
        aliases=("sfdc", "sfdx"),
    ),
    Template(
        "Zoho",
        "zoho.com/accounts/protocol/oauth/devices: initiation request, polling request",
        # Milliseconds by its older page and two clients, seconds by its newer one. other_dc ends
        # the sign-in with that code: begin anew at the host of the person's data centre.
        Provider(
            name="zoho",
            token_endpoint="https://{host}/oauth/v2/token",
            device_authorization_endpoint="https://{host}/oauth/v3/device/code",
            poll_endpoint="https://{host}/oauth/v3/device/token",
            auth_methods=("client_secret_post",),
            scope_separator=",",
            device=RequestFormat(
                encoding="query",
                drop="client_secret",
                fixed=(("grant_type", "device_request"), ("access_type", "offline")),
            ),
            poll=RequestFormat(
                encoding="query",
                rename=(("device_code", "code"),),
                fixed=(("grant_type", "device_token"),),
            ),
            refresh=RequestFormat(encoding="query"),
            answers=ResponseFormat(
                codes=(("expired", "expired_token"), ("invalid_code", "invalid_grant")),
                milliseconds=True,
            ),
            authorization_scheme="Zoho-oauthtoken",
        ),
        # accounts.zoho.eu, .in, .com.au, .jp, .com.cn, accounts.zohocloud.ca, .sa
        needs=(Variable("host", default="accounts.zoho.com"),),
    ),
    Template(
        "Slack",
        "api.slack.com: oauth.v2.access, token rotation (refresh only; no grant of the two)",
        Provider(
            name="slack",
            token_endpoint="https://slack.com/api/oauth.v2.access",
            auth_methods=("client_secret_post", "client_secret_basic"),
            scope_separator=",",
            answers=ResponseFormat(
                scope_separator=",",
                codes=(
                    ("invalid_refresh_token", "invalid_grant"),
                    ("ratelimited", "slow_down"),
                ),
            ),
            # A token's type is bot or user, a header's word is Bearer.
            authorization_scheme="Bearer",
        ),
        client_credentials=False,
    ),
    Template(
        "PayPal",
        "developer.paypal.com: Get an access token (client credentials; no device grant)",
        Provider(
            name="paypal",
            token_endpoint="https://{host}/v1/oauth2/token",
            auth_methods=("client_secret_basic",),
        ),
        # api-m.sandbox.paypal.com for trying.
        needs=(Variable("host", default="api-m.paypal.com"),),
    ),
    Template(
        "Zoom",
        "developers.zoom.us: device authorization; server-to-server OAuth (account_credentials)",
        # Without a person, Zoom's grant wants Client(extra={"account_id": ...}).
        Provider(
            name="zoom",
            token_endpoint="https://zoom.us/oauth/token",
            device_authorization_endpoint="https://zoom.us/oauth/devicecode",
            revocation_endpoint="https://zoom.us/oauth/revoke",
            auth_methods=("client_secret_basic",),
            device=RequestFormat(encoding="query"),
            poll=RequestFormat(encoding="query"),
            token=RequestFormat(encoding="query", fixed=(("grant_type", "account_credentials"),)),
            answers=ResponseFormat(description=("reason", "error_description")),
        ),
        client_credentials=True,
    ),
    Template(
        "eBay",
        "developer.ebay.com: client credentials grant (token_type is a phrase)",
        Provider(
            name="ebay",
            token_endpoint="https://{host}/identity/v1/oauth2/token",
            auth_methods=("client_secret_basic",),
            authorization_scheme="Bearer",
        ),
        needs=(Variable("host", default="api.ebay.com"),),
    ),
    Template(
        "Tailscale",
        "tailscale.com/kb: OAuth clients (client credentials; grant_type is optional)",
        Provider(
            name="tailscale",
            token_endpoint="https://api.tailscale.com/api/v2/oauth/token",
            auth_methods=("client_secret_post", "client_secret_basic"),
        ),
    ),
    Template(
        "Huawei",
        "developer.huawei.com: scan-code sign-in; openiddict/openiddict-core (its error pairs)",
        Provider(
            name="huawei",
            token_endpoint="https://oauth-login.cloud.huawei.com/oauth2/v3/token",
            device_authorization_endpoint="https://oauth-login.cloud.huawei.com/oauth2/v3/device/code",
            auth_methods=("client_secret_post",),
            device=RequestFormat(drop="client_secret"),
            poll=RequestFormat(
                rename=(("device_code", "code"),), fixed=(("grant_type", "device_code"),)
            ),
            answers=ResponseFormat(
                fields=(("expires_in", ("expires_in", "expire_in")),),
                sub_error="sub_error",
                codes=(
                    ("1101/20411", "authorization_pending"),
                    ("1101/20412", "authorization_pending"),
                    ("1101/20414", "access_denied"),
                    ("1101/20404", "expired_token"),
                ),
            ),
            # Its page works only with the code in the link (1102: user code is empty).
            link_parameter="user_code",
        ),
    ),
    Template(
        "Apigee",
        "docs.apigee.com: client credentials; OAuth HTTP status code reference",
        Provider(
            name="apigee",
            token_endpoint="https://{host}{path}",
            auth_methods=("client_secret_basic", "client_secret_post"),
            # "ErrorCode" is always invalid_request; what is wrong is in the words beside it.
            answers=ResponseFormat(error="ErrorCode", description="Error"),
            authorization_scheme="Bearer",  # the type that it sends is BearerToken
        ),
        needs=(Variable("host"), Variable("path", "path", "/oauth/token")),
    ),
)
