"""Authorization servers that people run themselves. Most of them follow RFC 8628 to the letter."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template, Variable

_ALL_METHODS: Final = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
_SECRETS: Final = ("none", "client_secret_basic", "client_secret_post")
_HOST: Final = (Variable("host"),)

SELFHOSTED: Final = (
    Template(
        "Keycloak",
        "keycloak/keycloak DeviceGrantType.java (400 for everything; slow_down goes first)",
        Provider(
            name="keycloak",
            token_endpoint="https://{host}{path}/realms/{realm}/protocol/openid-connect/token",
            device_authorization_endpoint=(
                "https://{host}{path}/realms/{realm}/protocol/openid-connect/auth/device"
            ),
            revocation_endpoint="https://{host}{path}/realms/{realm}/protocol/openid-connect/revoke",
            issuer="https://{host}{path}/realms/{realm}",
            auth_methods=_ALL_METHODS,
        ),
        # Up to version 16 the path was /auth.
        needs=(Variable("host"), Variable("realm", "word"), Variable("path", "path", "")),
        aliases=("red-hat-sso",),
        client_credentials=True,
    ),
    Template(
        "Ory Hydra",
        "ory/hydra (400 for pending, slow_down and expired; 403 access_denied)",
        Provider(
            name="hydra",
            token_endpoint="https://{host}/oauth2/token",
            device_authorization_endpoint="https://{host}/oauth2/device/auth",
            revocation_endpoint="https://{host}/oauth2/revoke",
            auth_methods=_ALL_METHODS,
        ),
        needs=_HOST,
        aliases=("ory", "ory-hydra"),
        client_credentials=True,
    ),
    Template(
        "authentik",
        "goauthentik/authentik (slow_down with 429 on the device endpoint, 20 requests an hour)",
        Provider(
            name="authentik",
            token_endpoint="https://{host}/application/o/token/",
            device_authorization_endpoint="https://{host}/application/o/device/",
            revocation_endpoint="https://{host}/application/o/revoke/",
            auth_methods=_SECRETS,
            link_parameter="code",
        ),
        needs=_HOST,
        client_credentials=True,
    ),
    Template(
        "ZITADEL",
        "zitadel/zitadel (400 for everything; slow_down when its own storage is late)",
        Provider(
            name="zitadel",
            token_endpoint="https://{host}/oauth/v2/token",
            device_authorization_endpoint="https://{host}/oauth/v2/device_authorization",
            revocation_endpoint="https://{host}/oauth/v2/revoke",
            auth_methods=_ALL_METHODS,
        ),
        needs=_HOST,
        client_credentials=True,
    ),
    Template(
        "FusionAuth",
        "FusionAuth documentation and client libraries (its codes have no slow_down)",
        Provider(
            name="fusionauth",
            token_endpoint="https://{host}/oauth2/token",
            device_authorization_endpoint="https://{host}/oauth2/device_authorize",
            auth_methods=_SECRETS,
        ),
        needs=_HOST,
    ),
    Template(
        "Dex",
        "dexidp/dex server/deviceflowhandlers.go (401 for pending before 2022); PKCE is optional "
        "there and not asked for here",
        Provider(
            name="dex",
            token_endpoint="https://{host}{path}/token",
            device_authorization_endpoint="https://{host}{path}/device/code",
            auth_methods=_SECRETS,
        ),
        needs=(Variable("host"), Variable("path", "path", "/dex")),
    ),
    Template(
        "Kanidm",
        "kanidm/kanidm server/lib/src/idm/oauth2.rs (pending for ever: keep a budget)",
        Provider(
            name="kanidm",
            token_endpoint="https://{host}/oauth2/token",
            device_authorization_endpoint="https://{host}/oauth2/device",
            revocation_endpoint="https://{host}/oauth2/token/revoke",
            auth_methods=("client_secret_basic", "client_secret_post", "none"),
        ),
        needs=_HOST,
    ),
    Template(
        "Authelia",
        "authelia/authelia (interval 10, 600 s)",
        Provider(
            name="authelia",
            token_endpoint="https://{host}{path}/api/oidc/token",
            device_authorization_endpoint="https://{host}{path}/api/oidc/device-authorization",
            revocation_endpoint="https://{host}{path}/api/oidc/revocation",
            auth_methods=_ALL_METHODS,
        ),
        needs=(Variable("host"), Variable("path", "path", "")),
    ),
    Template(
        "OpenAM, ForgeRock AM",
        "OpenAM's OAuth 2.0 guide; OpenIdentityPlatform/OpenAM#627",
        Provider(
            name="openam",
            token_endpoint="https://{host}{path}/oauth2/access_token",
            device_authorization_endpoint="https://{host}{path}/oauth2/device/code",
            auth_methods=("client_secret_post", "client_secret_basic", "none"),
            device=RequestFormat(fixed=(("response_type", "token"),)),
            poll=RequestFormat(
                rename=(("device_code", "code"),),
                fixed=(("grant_type", "http://oauth.net/grant_type/device/1.0"),),
            ),
            answers=ResponseFormat(
                codes=(("authorization_declined", "access_denied"),),
                poll_statuses=((401, "expired_token"),),
            ),
        ),
        # A realm belongs to the path: /openam/oauth2/realms/root/realms/alpha without its oauth2.
        needs=(Variable("host"), Variable("path", "path", "/openam")),
        aliases=("forgerock", "forgerock-am"),
    ),
    Template(
        "WSO2 Identity Server",
        "wso2/product-is#10120 (versions before 5.11 say invalid_grant for pending)",
        Provider(
            name="wso2",
            token_endpoint="https://{host}{path}/oauth2/token",
            device_authorization_endpoint="https://{host}{path}/oauth2/device_authorize",
            revocation_endpoint="https://{host}{path}/oauth2/revoke",
            auth_methods=_SECRETS,
        ),
        # Asgardeo and tenants: path="/t/acme".
        needs=(Variable("host"), Variable("path", "path", "")),
        aliases=("asgardeo",),
        client_credentials=True,
    ),
    Template(
        "WSO2 Identity Server of before 5.11",
        "wso2/product-is#10120: invalid_grant while the person has not decided",
        Provider(
            name="wso2-2020",
            token_endpoint="https://{host}{path}/oauth2/token",
            device_authorization_endpoint="https://{host}{path}/oauth2/device_authorize",
            auth_methods=_SECRETS,
            answers=ResponseFormat(poll_codes=(("invalid_grant", "authorization_pending"),)),
        ),
        needs=(Variable("host"), Variable("path", "path", "")),
    ),
    Template(
        "IdentityServer, Duende",
        "IdentityServer4 (slow_down is checked before expiry)",
        Provider(
            name="identityserver",
            token_endpoint="https://{host}{path}/connect/token",
            device_authorization_endpoint="https://{host}{path}/connect/deviceauthorization",
            revocation_endpoint="https://{host}{path}/connect/revocation",
            auth_methods=_ALL_METHODS,
        ),
        needs=(Variable("host"), Variable("path", "path", "")),
        aliases=("duende", "identityserver4"),
        client_credentials=True,
    ),
    Template(
        "Nextcloud, login flow v2",
        "nextcloud/documentation developer_manual/client_apis/LoginFlow (404 until it is done)",
        # No OAuth: what comes is an app password, to be sent by Basic with extra["loginName"].
        Provider(
            name="nextcloud",
            token_endpoint="https://{host}{path}/index.php/login/v2/poll",
            device_authorization_endpoint="https://{host}{path}/index.php/login/v2",
            auth_methods=("none",),
            device=RequestFormat(drop=("client_id", "scope")),
            poll=RequestFormat(
                rename=(("device_code", "token"),), drop=("grant_type", "client_id")
            ),
            answers=ResponseFormat(
                fields=(
                    ("device_code", ("poll.token",)),
                    ("poll_endpoint", ("poll.endpoint",)),
                    ("verification_uri", ("login",)),
                    ("access_token", ("appPassword",)),
                ),
                poll_statuses=((404, "authorization_pending"),),
            ),
            poll_at="poll_endpoint",
            shows_code=False,
            lifetime=timedelta(minutes=20),
        ),
        needs=(Variable("host"), Variable("path", "path", "")),
    ),
    Template(
        "Flyte",
        "flyteorg/flytekit clients/auth/token_client.py; the endpoints usually come from the "
        "server's own metadata (Okta's, Auth0's or Entra's), these are flyteadmin's",
        # flytekit repeats scope and audience on every poll; no server was found that asks for it.
        Provider(
            name="flyte",
            token_endpoint="https://{host}/oauth2/token",
            device_authorization_endpoint="https://{host}/oauth2/device_authorization",
            auth_methods=_SECRETS,
            link_parameter="user_code",
        ),
        needs=_HOST,
        aliases=("flyteadmin", "union"),
        client_credentials=True,
    ),
    Template(
        "A token API with headers (Stanford's ACS)",
        "Stanford/green stanford/green/oauth2: GET with client-id and client-secret headers",
        Provider(
            name="stanford-acs",
            token_endpoint="https://{host}{path}",
            auth_methods=("client_secret_headers",),
            token=RequestFormat(method="GET", drop=("grant_type", "scope")),
            answers=ResponseFormat(token_statuses=((401, "invalid_client"),)),
        ),
        needs=(Variable("host"), Variable("path", "path")),
        aliases=("stanford",),
    ),
    Template(
        "Stanford MaIS",
        "Stanford/green stanford/green/oauth2 (its newest version sends the secret in the body)",
        Provider(
            name="stanford-mais",
            token_endpoint="https://{host}{path}",
            auth_methods=("client_secret_post", "client_secret_basic_raw"),
        ),
        needs=(Variable("host"), Variable("path", "path")),
    ),
    Template(
        "Apereo CAS",
        "apereo.github.io/cas: OAuth protocol flow, device authorization (one endpoint for both)",
        Provider(
            name="cas",
            token_endpoint="https://{host}{path}/oauth2.0/accessToken",
            device_authorization_endpoint="https://{host}{path}/oauth2.0/accessToken",
            auth_methods=("none", "client_secret_basic", "client_secret_post"),
            device=RequestFormat(fixed=(("response_type", "device_code"),)),
            poll=RequestFormat(
                rename=(("device_code", "code"),),
                drop="grant_type",
                fixed=(("response_type", "device_code"),),
            ),
        ),
        needs=(Variable("host"), Variable("path", "path", "/cas")),
        aliases=("apereo",),
    ),
    Template(
        "OroCommerce and its family",
        "doc.oroinc.com: client credentials grant type (JSON)",
        Provider(
            name="oro",
            token_endpoint="https://{host}/oauth2-token",
            encoding="json",
            auth_methods=("client_secret_post",),
        ),
        needs=_HOST,
        aliases=("orocommerce", "orocrm"),
    ),
)
