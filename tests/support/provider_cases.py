"""What each known provider puts on the wire, as data: an answer, and the event it makes.

``evidence`` says how well the answer is known: ``documented`` (the provider's own page or
repository shows status and code), ``source`` (the code of its server, or of a client that talks to
it), ``derived`` (some of it from there, some assumed, mostly the status), ``unsourced`` (memory).
Tokens, codes and free text are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from attrs import field, frozen

Where = Literal["device", "poll", "token", "refresh", "register"]
Evidence = Literal["documented", "source", "derived", "unsourced"]

DEVICE_KEY = "dc-1"


@frozen
class Case:
    """``expected``: code, token, pending, slow, expired, denied, trouble, garbled, refused CODE."""

    provider: str
    where: Where
    expected: str
    status: int
    body: Mapping[str, object] | bytes | str
    evidence: Evidence
    headers: Mapping[str, str] = field(factory=dict[str, str])
    holds: Mapping[str, object] = field(factory=dict[str, object])

    def __str__(self) -> str:
        return f"{self.provider}-{self.where}-{self.expected}-{self.status}".replace(" ", "_")


class Of:
    """The cases of one provider, with one level of evidence unless a case says another."""

    def __init__(self, provider: str, evidence: Evidence) -> None:
        self.provider = provider
        self.evidence: Evidence = evidence
        self.cases: list[Case] = []

    def __call__(
        self,
        where: Where,
        expected: str,
        status: int,
        body: Mapping[str, object] | bytes | str,
        holds: Mapping[str, object] | None = None,
        *,
        evidence: Evidence | None = None,
        **headers: str,
    ) -> Of:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.cases.append(
            Case(
                self.provider,
                where,
                expected,
                status,
                body,
                evidence or self.evidence,
                named,
                holds or {},
            )
        )
        return self

    def code(self, holds: Mapping[str, object] | None = None, /, **changes: object) -> Of:
        """The RFC's device answer, with changes; ``None`` leaves a member out."""
        return self("device", "code", 200, _changed(CODE, changes), holds)

    def token(
        self, holds: Mapping[str, object] | None = None, where: Where = "poll", /, **changes: object
    ) -> Of:
        """The RFC's token answer, with changes; ``None`` leaves a member out."""
        return self(where, "token", 200, _changed(TOKEN, changes), holds)

    def errors(self, **statuses: int) -> Of:
        """The RFC's codes, each with its status."""
        for code, status in statuses.items():
            body = {"error": code, "error_description": "Said in words."}
            self("poll", EXPECTED.get(code, f"refused {code}"), status, body)
        return self

    def rfc(self, pending: int = 400, denied: int = 400, expired: int = 400) -> Of:
        """What RFC 8628 section 3.5 shows."""
        return self.errors(
            authorization_pending=pending,
            slow_down=400,
            access_denied=denied,
            expired_token=expired,
        )

    def client_credentials(
        self, holds: Mapping[str, object] | None = None, /, **changes: object
    ) -> Of:
        return self.token(holds, "token", refresh_token=None, **changes)


EXPECTED = {
    "authorization_pending": "pending",
    "slow_down": "slow",
    "access_denied": "denied",
    "expired_token": "expired",
}
CODE: dict[str, object] = {
    "device_code": DEVICE_KEY,
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://id.example.com/device",
    "verification_uri_complete": "https://id.example.com/device?user_code=WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
}
TOKEN: dict[str, object] = {
    "access_token": "at-1",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "rt-1",
    "scope": "read write",
}
PLAIN = {"verification_uri_complete": None}
URL = {
    "verification_uri": None,
    "verification_uri_complete": None,
    "verification_url": "https://id.example.com/device",
}


def _changed(body: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def _identity() -> list[Of]:
    entra_code = {"message": "To sign in, use a web browser...", "expires_in": 900, **PLAIN}
    strange = {"error_codes": [70016], "trace_id": "t", "correlation_id": "c"}
    entra = (
        Of("entra", "documented")
        .code({"authorization.extra.message": "To sign in, use a web browser..."}, **entra_code)
        .errors(authorization_pending=400)
    )
    entra("poll", "denied", 400, {"error": "authorization_declined", **strange}, evidence="derived")
    entra("poll", "expired", 400, {"error": "expired_token", **strange}, evidence="derived")
    entra("poll", "refused invalid_grant", 400, {"error": "bad_verification_code", **strange})
    entra("poll", "pending", 403, {"error": "authorization_pending"}, evidence="source")
    entra("poll", "expired", 400, {"error": "code_expired", **strange}, evidence="source")
    entra("poll", "slow", 429, b"", {"retry_after": seconds(10)}, Retry_After="10")
    entra.token().client_credentials(scope=None)

    text = {"expires_in": "900", "interval": "5", **URL}
    v1_token = {
        "expires_in": "3600",
        "expires_on": "1767229200",
        "not_before": "1767225300",
        "resource": "https://management.example",
        "scope": None,
    }
    old = []
    for name in ("entra-v1", "adfs"):
        of = Of(name, "source").code({"authorization.interval": seconds(5)}, **text)
        of("poll", "pending", 400, {"error": "authorization_pending"})
        of("poll", "pending", 200, {"error": "authorization_pending"})
        of("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
        of("poll", "expired", 400, {"error": "code_expired", "error_description": "AADSTS70019"})
        of("poll", "refused invalid_grant", 400, {"error": "bad_verification_code"})
        of("poll", "denied", 400, {"error": "authorization_declined"}, evidence="derived")
        old.append(of.token(**v1_token))
    old[0].code({"authorization.interval": seconds(5)}, **{**text, "interval": "0"})

    auth0s = []
    for name in ("auth0", "docker-hub", "bitfount"):
        of = Of(name, "documented").code(user_code="WDJB MJHT")
        of("poll", "pending", 403, {"error": "authorization_pending", "error_description": "..."})
        of("poll", "slow", 429, {"error": "slow_down", "error_description": "polling too quickly"})
        of("poll", "expired", 403, {"error": "expired_token", "error_description": "..."})
        of("poll", "expired", 403, {"error": "invalid_grant", "error_description": "..."})
        of("poll", "denied", 403, {"error": "access_denied", "error_description": "..."})
        of("poll", "slow", 429, {"error": "too_many_requests"}, Retry_After="7")
        of.token({"token.scope": ("read", "write")}, scope=None, id_token="idt-1")
        auth0s.append(of)
    auth0s[0].client_credentials(scope=None)(
        "refresh", "refused invalid_grant", 403, {"error": "invalid_grant"}, evidence="derived"
    )

    limits = {
        "errorCode": "E0000047",
        "errorSummary": "API call exceeded rate limit due to too many requests.",
        "errorCauses": [],
    }
    oktas = []
    for name in ("okta", "okta-org"):
        of = Of(name, "documented").code().rfc(denied=403).token()
        of("poll", "slow", 429, limits, X_Rate_Limit_Reset="1767225660")
        unknown = {"errorCode": "E0000022", "errorSummary": "Not supported."}
        of("token", "refused E0000022", 405, unknown, {"error.description": "Not supported."})
        described = {"error": "invalid_grant", "error_description": "The code is invalid."}
        said = {"error.description": "The code is invalid."}
        of("poll", "refused invalid_grant", 400, described, said)
        of("poll", "refused invalid_client", 401, {"errorCode": "invalid_client"})
        oktas.append(of.client_credentials(scope="custom"))

    onelogin = Of("onelogin", "documented").client_credentials(created_at="2026-01-01T00:00:00Z")
    wrapped = {"status": {"error": False, "code": 200, "type": "success"}, "data": [TOKEN]}
    onelogin("token", "token", 200, wrapped, {"token.access_token": "at-1"}, evidence="source")
    failed = {"status": {"error": True, "code": 401, "type": "Unauthorized"}}
    onelogin("token", "refused invalid_client", 401, failed, evidence="unsourced")

    return [
        entra,
        *old,
        *auth0s,
        *oktas,
        Of("pingone", "derived").code().rfc().token(),
        Of("pingfederate", "derived").code().rfc().token(),
        onelogin,
        Of("oracle-idcs", "derived")
        .code({"authorization.interval": seconds(5)}, interval=None)
        .rfc()
        .token(),
    ]


def _selfhosted() -> list[Of]:
    keycloak = Of("keycloak", "source").code().rfc()
    keycloak.token(
        {"token.extra.refresh_expires_in": 1800}, refresh_expires_in=1800, session_state="s"
    )
    keycloak("poll", "refused invalid_grant", 400, {"error": "invalid_grant"})
    keycloak.client_credentials({"token.refresh_token": None}, refresh_expires_in=0)

    hydra = Of("hydra", "source").code().rfc(denied=403).token().client_credentials()
    legacy = {
        "error": "access_denied",
        "error_hint": "The resource owner denied it.",
        "status_code": 403,
    }
    hydra("poll", "denied", 403, legacy)

    built = {"authorization.verification_uri_complete": "https://id.example.com/device?code=123456"}
    authentik = Of("authentik", "source").code(
        {"authorization.user_code": "123456"}, user_code=123456
    )
    authentik.code(built, user_code="123456", **PLAIN).rfc().token()
    authentik("device", "trouble", 429, {"error": "slow_down"}, Retry_After="3600")
    authentik("poll", "refused invalid_grant", 400, {"error": "invalid_grant"})
    authentik.client_credentials(id_token="idt-1")

    zitadel = Of("zitadel", "source").code().rfc().token().client_credentials()

    fusionauth = Of("fusionauth", "documented").code()
    fusionauth.errors(authorization_pending=400, expired_token=400)
    fusionauth("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    fusionauth("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")  # never seen
    fusionauth(
        "poll",
        "token",
        200,
        {**TOKEN, "userId": "u-1"},
        {"token.extra.userId": "u-1"},
        WWW_Authenticate="Basic",
    )

    dex = Of("dex", "source").code().errors(authorization_pending=400, slow_down=400)
    dex("poll", "pending", 401, {"error": "authorization_pending"})
    dex("poll", "expired", 400, {"error": "expired_token"})
    dex("poll", "refused invalid_request", 400, {"error": "invalid_request"})
    dex("poll", "denied", 400, {"error": "access_denied"}, evidence="unsourced")
    dex.token()

    kanidm = Of("kanidm", "source").code(device_code="q+8/zw==", user_code="123-456")
    kanidm.errors(authorization_pending=400)
    kanidm("poll", "token", 200, TOKEN, evidence="derived")  # the grant was not there yet
    kanidm("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    kanidm("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    kanidm("poll", "expired", 400, {"error": "expired_token"}, evidence="derived")

    authelia = Of("authelia", "source").code({"authorization.interval": seconds(10)}, interval=10)
    authelia.rfc(denied=403).token()

    openam = Of("openam", "documented").code(**URL)
    openam("poll", "pending", 403, {"error": "authorization_pending"})
    openam("poll", "pending", 400, {"error": "authorization_pending"}, evidence="source")
    openam("poll", "denied", 403, {"error": "authorization_declined"})
    openam("poll", "expired", 401, {"error": "expired_token"})
    openam("poll", "expired", 401, b"", evidence="derived")
    openam("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    openam.token({"token.scope": ("read", "write")}, scope=None)

    wso2 = Of("wso2", "source").code().rfc().token().client_credentials()
    wso2_2020 = Of("wso2-2020", "source").code()
    wso2_2020("poll", "pending", 400, {"error": "invalid_grant"}).token()
    wso2_2020("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    wso2_2020("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    wso2_2020("poll", "expired", 400, {"error": "expired_token"}, evidence="derived")
    wso2_2020("refresh", "refused invalid_grant", 400, {"error": "invalid_grant"})

    identityserver = Of("identityserver", "source").code().rfc().token().client_credentials()
    identityserver("poll", "refused invalid_grant", 400, {"error": "invalid_grant"})

    nextcloud = Of("nextcloud", "documented")
    opened = {
        "poll": {"token": "pt-1", "endpoint": "https://id.example.com/index.php/login/v2/poll"},
        "login": "https://id.example.com/index.php/login/v2/flow/f-1",
    }
    nextcloud("device", "code", 200, opened, {"authorization.device_code": "pt-1"})
    nextcloud("device", "code", 200, opened, {"authorization.expires_at": seconds(100 + 1200)})
    elsewhere = {**opened, "poll": {"token": "pt-1", "endpoint": "https://other.example/poll"}}
    nextcloud("device", "garbled", 200, elsewhere, evidence="derived")
    nextcloud("poll", "pending", 404, b"[]")
    nextcloud("poll", "pending", 404, b"")
    done = {"server": "https://id.example.com", "loginName": "alice", "appPassword": "at-1"}
    nextcloud("poll", "token", 200, done, {"token.extra.loginName": "alice"})

    flyte = Of("flyte", "source").code().errors(authorization_pending=400, slow_down=400)
    flyte.code(
        {"authorization.verification_uri_complete": CODE["verification_uri_complete"]}, **PLAIN
    )
    flyte.token()
    flyte("poll", "denied", 403, {"error": "access_denied"}, evidence="derived")
    flyte("poll", "expired", 400, {"error": "expired_token"}, evidence="derived")
    flyte.client_credentials(scope=None)

    acs = Of("stanford-acs", "source")
    zulu = {"access_token": "at-1", "expires_at": "2026-01-01T02:00:00Z"}
    acs("token", "token", 200, zulu, {"token.expires_at.hour": 2})
    acs("token", "refused invalid_client", 401, b"", evidence="derived")
    mais = Of("stanford-mais", "source").client_credentials(expires_in="3599", scope=None)
    mais("token", "refused invalid_client", 401, {"error": "invalid_client"}, evidence="derived")

    cas = Of("cas", "derived").code(**PLAIN).rfc().token()
    oro = Of("oro", "documented").client_credentials(scope=None)
    oro("token", "refused invalid_client", 401, {"error": "invalid_client"}, evidence="derived")

    return [
        keycloak, hydra, authentik, zitadel, fusionauth, dex, kanidm, authelia, openam, wso2,
        wso2_2020, identityserver, nextcloud, flyte, acs, mais, cas, oro]  # fmt: skip


def _cloud() -> list[Of]:
    google = Of("google", "documented").code(**{**URL, "expires_in": 1800})
    google("poll", "pending", 428, {"error": "authorization_pending", "error_description": "..."})
    google("poll", "slow", 403, {"error": "slow_down", "error_description": "Forbidden"})
    google("poll", "denied", 403, {"error": "access_denied", "error_description": "Forbidden"})
    google("poll", "expired", 400, {"error": "expired_token"}, evidence="source")
    google("poll", "refused invalid_client", 401, {"error": "invalid_client"})
    google("poll", "refused invalid_grant", 400, {"error": "invalid_grant"})
    google("poll", "denied", 400, {"error": "admin_policy_enforced"})
    google("poll", "denied", 403, {"error": "org_internal"})
    google("device", "trouble", 403, {"error_code": "rate_limit_exceeded"})
    google.token(expires_in=3920)
    google.token({"token.refresh_token": "rt-old"}, "refresh", refresh_token=None)

    aws = Of("aws", "documented")
    aws(
        "device",
        "code",
        200,
        {
            "deviceCode": "dc-1",
            "userCode": "WDJB-MJHT",
            "verificationUri": "https://device.sso.eu-west-1.amazonaws.com/",
            "verificationUriComplete": "https://device.sso.eu-west-1.amazonaws.com/?user_code=W",
            "expiresIn": 600,
            "interval": 1,
        },
        {
            "authorization.user_code": "WDJB-MJHT",
            "authorization.interval": seconds(1),
            "authorization.verification_uri_complete": (
                "https://device.sso.eu-west-1.amazonaws.com/?user_code=W"
            ),
        },
    )
    named = {
        "AuthorizationPendingException": ("pending", "authorization_pending", 400),
        "SlowDownException": ("slow", "slow_down", 400),
        "AccessDeniedException": ("denied", "access_denied", 400),
        "ExpiredTokenException": ("expired", "expired_token", 400),
        "InvalidClientException": ("refused invalid_client", "invalid_client", 401),
        "InternalServerException": ("trouble", "server_error", 500),
    }
    for name, (expected, code, status) in named.items():
        said = f"{name}:http://internal.amazon.com/coral/com.amazonaws.ssooidc/"
        aws(
            "poll",
            expected,
            status,
            {"error": code, "error_description": "..."},
            x_amzn_ErrorType=said,
        )
        aws("poll", expected, status, b"", x_amzn_ErrorType=said, evidence="source")
    answer = {
        "accessToken": "at-1",
        "tokenType": "Bearer",
        "expiresIn": 28800,
        "refreshToken": "rt-1",
    }
    good = {"token.access_token": "at-1", "token.refresh_token": "rt-1"}
    for name in ("InvalidGrant", "InvalidRequest", "InvalidScope"):
        expected = f"refused invalid_{name.removeprefix('Invalid').lower()}"
        aws("poll", expected, 400, b"", x_amzn_ErrorType=f"{name}Exception")
    aws(
        "poll",
        "refused unauthorized_client",
        400,
        {},
        x_amzn_ErrorType="UnauthorizedClientException",
    )
    unsupported = "UnsupportedGrantTypeException"
    aws("poll", "refused unsupported_grant_type", 400, {}, x_amzn_ErrorType=unsupported)
    typed = {"accessToken": "at-1", "tokenType": "Other", "expiresIn": 28800, "idToken": "idt-1"}
    aws("poll", "token", 200, typed, {"token.token_type": "Other"}, evidence="derived")
    aws("poll", "token", 200, typed, {"token.id_token": "idt-1", "token.expires_at.hour": 8})
    aws("poll", "token", 200, answer, good)
    aws("refresh", "token", 200, answer, good)
    aws("device", "trouble", 400, {"error": "slow_down"}, x_amzn_ErrorType="SlowDownException")
    aws(
        "register",
        "token",
        200,
        {"clientId": "c-1", "clientSecret": "s-1", "clientSecretExpiresAt": 1775001600},
        {
            "token.access_token": "s-1",
            "token.extra": {"client_id": "c-1"},
            "token.expires_at.month": 4,
        },
        evidence="documented",
    )

    cognito = Of("cognito", "documented").client_credentials(scope=None)
    cognito(
        "token", "refused invalid_client", 400, {"error": "invalid_client"}, evidence="unsourced"
    )

    amazon = Of("amazon", "documented").code(
        {"authorization.interval": seconds(30)}, interval=30, **PLAIN
    )
    amazon.errors(authorization_pending=400, slow_down=400)
    amazon("poll", "expired", 400, {"error": "invalid_code_pair", "error_description": "..."})
    amazon("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    amazon("poll", "refused invalid_request", 400, {"error": "InvalidValue"}, evidence="source")
    amazon("poll", "trouble", 500, {"error": "servererror"}, evidence="source")
    amazon.token({"token.authorization": "Bearer at-1"}, token_type="bearer", scope=None)

    salesforce = Of("salesforce", "source").code(
        {"authorization.expires_at": seconds(100 + 500)}, expires_in=None, **PLAIN
    )
    salesforce.errors(authorization_pending=400)
    salesforce("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    salesforce("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    salesforce("poll", "expired", 400, {"error": "expired_token"}, evidence="derived")
    salesforce("poll", "garbled", 200, b"<html>maintenance</html>")
    salesforce.token(
        {"token.expires_at": None, "token.extra.instance_url": "https://acme.example"},
        expires_in=None,
        instance_url="https://acme.example",
        issued_at="1767225600000",
    )

    zoho = Of("zoho", "documented")
    zoho.code(
        {"authorization.interval": seconds(30)}, **{**URL, "interval": 30000, "expires_in": 300000}
    )
    # Seconds, as on its newer page: what is too little for milliseconds.
    in_seconds = {"authorization.interval": seconds(30)}
    zoho.code(in_seconds, **{**URL, "interval": 30, "expires_in": 300})
    for code, expected in (
        ("authorization_pending", "pending"),
        ("slow_down", "slow"),
        ("access_denied", "denied"),
        ("expired", "expired"),
    ):
        zoho("poll", expected, 200, {"error": code}, evidence="derived")
    zoho(
        "poll",
        "refused other_dc",
        200,
        {"error": "other_dc", "user_location": "eu"},
        evidence="derived",
    )
    zoho.token(
        {"token.scope": ("read", "write")}, scope=None, api_domain="https://www.zohoapis.com"
    )
    spent = {"error": "invalid_code"}
    zoho("refresh", "refused invalid_grant", 200, spent, evidence="unsourced")

    slack = Of("slack", "documented")
    slack(
        "refresh",
        "token",
        200,
        {"ok": True, **TOKEN, "token_type": "bot", "scope": "a:b,c"},
        {"token.scope": ("a:b", "c")},
    )
    slack(
        "refresh",
        "refused invalid_grant",
        200,
        {"ok": False, "error": "invalid_refresh_token"},
        evidence="unsourced",
    )
    slack("token", "slow", 429, {"ok": False, "error": "ratelimited"}, Retry_After="30")

    paypal = Of("paypal", "documented").client_credentials(expires_in="32400", app_id="APP-1")
    paypal(
        "token",
        "refused invalid_client",
        401,
        {"error": "invalid_client", "error_description": "Client Authentication failed"},
    )

    zoom = Of("zoom", "documented").code(expires_in=900).token()
    zoom.client_credentials(token_type="bearer", api_url="https://api.zoom.us")
    plain = {"error": "invalid_request", "error_description": "Plainly said."}
    holds = {"error.description": "Plainly said."}
    zoom("token", "refused invalid_request", 400, plain, holds, evidence="derived")
    for code, expected in EXPECTED.items():
        zoom("poll", expected, 400, {"reason": "...", "error": code}, evidence="derived")
    zoom(
        "token",
        "refused invalid_client",
        400,
        {"reason": "Invalid client", "error": "invalid_client"},
        {"error.description": "Invalid client"},
        evidence="unsourced",
    )

    ebay = Of("ebay", "documented").client_credentials(
        {"token.token_type": "Application Access Token"},
        token_type="Application Access Token",
        scope=None,
    )
    ebay("token", "refused invalid_client", 401, {"error": "invalid_client"})

    tailscale = Of("tailscale", "documented").client_credentials()
    tailscale(
        "token",
        "refused invalid_client",
        401,
        {"message": "API token invalid", "error": "invalid_client"},
        evidence="derived",
    )

    huawei = Of("huawei", "documented")
    huawei(
        "device",
        "code",
        200,
        {
            "create_time": 1569813512,
            "device_code": "dc-1",
            "expire_in": 1200,
            "interval": 3,
            "scan_expire_in": 120,
            "user_code": "ABCDEFGH",
            "verification_url": "https://oauth-login1.cloud.huawei.com/oauth2/v3/device",
        },
        {
            "authorization.expires_at": seconds(100 + 1200),
            "authorization.verification_uri_complete": "https://oauth-login1.cloud.huawei.com/oauth2/v3/device?user_code=ABCDEFGH",
        },
    )
    for sub, expected in (
        (20411, "pending"),
        (20412, "pending"),
        (20414, "denied"),
        (20404, "expired"),
    ):
        huawei(
            "poll",
            expected,
            400,
            {"error": 1101, "sub_error": sub, "error_description": "..."},
            evidence="source",
        )
    huawei("poll", "slow", 429, b"", evidence="derived")
    huawei(
        "poll", "refused 1101/20001", 400, {"error": 1101, "sub_error": 20001}, evidence="derived"
    )
    huawei.token(scope="openid profile")

    apigee = Of("apigee", "documented").client_credentials(
        {"token.token_type": "BearerToken"},
        token_type="BearerToken",
        expires_in="3599",
        issued_at="1767225600000",
        scope="",
    )
    unknown = {
        "ErrorCode": "invalid_request",
        "Error": "Invalid client id : x. ClientId is Invalid",
    }
    said = {"error.description": unknown["Error"]}
    apigee("token", "refused invalid_request", 401, unknown, said)

    return [
        google,
        aws,
        cognito,
        amazon,
        salesforce,
        zoho,
        slack,
        paypal,
        zoom,
        ebay,
        tailscale,
        huawei,
        apigee,
    ]


def _developer() -> list[Of]:
    github = Of("github", "documented").code(**{**PLAIN, "expires_in": 900})
    form = (
        b"device_code=dc-1&user_code=WDJB-MJHT&verification_uri=https%3A%2F%2Fgithub.com%2Flogin"
        b"%2Fdevice&expires_in=900&interval=5"
    )
    github("device", "code", 200, form, {"authorization.interval": seconds(5)})
    said = {"error_description": "...", "error_uri": "https://docs.github.com/"}
    github("poll", "pending", 200, {"error": "authorization_pending", **said})
    github(
        "poll",
        "slow",
        200,
        {"error": "slow_down", **said, "interval": 10},
        {"interval": seconds(10)},
    )
    github("poll", "slow", 200, b"error=slow_down&interval=10", {"interval": seconds(10)})
    github("poll", "denied", 200, {"error": "access_denied", **said})
    github("poll", "expired", 200, {"error": "expired_token", **said})
    github("poll", "expired", 200, {"error": "token_expired", **said})
    github("poll", "refused invalid_client", 200, {"error": "incorrect_client_credentials", **said})
    github("poll", "refused invalid_grant", 200, {"error": "incorrect_device_code", **said})
    github(
        "device",
        "refused unauthorized_client",
        400,
        {"error": "device_flow_disabled", **said},
        evidence="derived",
    )
    github("poll", "slow", 429, b"", evidence="source")
    github("poll", "trouble", 502, b"<html>Unicorn</html>", evidence="source")
    github("device", "garbled", 404, b"<html>", evidence="source")
    github(
        "poll",
        "token",
        200,
        {"access_token": "gho_1", "token_type": "bearer", "scope": "repo,gist"},
        {
            "token.scope": ("repo", "gist"),
            "token.expires_at": None,
            "token.authorization": "Bearer gho_1",
        },
    )
    github(
        "poll",
        "token",
        200,
        b"access_token=gho_1&scope=repo%2Cgist&token_type=bearer",
        {"token.scope": ("repo", "gist")},
    )
    github.token({"token.scope": ()}, scope="", expires_in=28800, refresh_token_expires_in=15811200)
    github(
        "refresh",
        "refused invalid_grant",
        200,
        {"error": "bad_refresh_token"},
        evidence="unsourced",
    )

    gitlab = (
        Of("gitlab", "documented")
        .code()
        .rfc()
        .token({"token.extra.created_at": 1767225600}, created_at=1767225600, token_type="bearer")
    )
    gitlab.code({"authorization.interval": seconds(5)}, interval=None)

    bitbucket = Of("bitbucket", "documented")
    bitbucket.token(
        {"token.scope": ("repository", "account"), "token.refresh_token": "rt-1"},
        "token",
        scope=None,
        scopes="repository account",
        token_type="bearer",
    )
    bitbucket(
        "token", "refused invalid_client", 401, {"error": "invalid_client"}, evidence="derived"
    )

    huggingface = (
        Of("huggingface", "source")
        .code(interval=None)
        .rfc()
        .token(token_type=None, refresh_token=None)
    )
    huggingface("poll", "trouble", 403, {"message": "forbidden"})
    huggingface.code({"authorization.expires_at": seconds(100 + 900)}, expires_in=None)
    huggingface("poll", "trouble", 502, {})
    huggingface("poll", "trouble", 503, b"<html>")
    huggingface.token({"token.refresh_token": "rt-old"}, "refresh", refresh_token=None)

    npm = Of("npm", "source")
    urls = {
        "loginUrl": "https://www.npmjs.com/login/cli/1",
        "doneUrl": "https://registry.npmjs.org/-/v1/done?sessionId=1",
    }
    npm(
        "device",
        "code",
        200,
        urls,
        {
            "authorization.verification_uri": "https://www.npmjs.com/login/cli/1",
            "authorization.user_code": "",
        },
    )
    npm(
        "device",
        "garbled",
        200,
        {**urls, "doneUrl": "https://other.example/-/v1/done"},
        evidence="derived",
    )
    npm("poll", "pending", 202, {}, {"retry_after": seconds(7)}, Retry_After="7")
    npm("device", "code", 200, urls, {"authorization.expires_at": seconds(100 + 600)})
    npm("poll", "token", 200, {"token": "npm_1"}, {"token.access_token": "npm_1"})
    npm("poll", "trouble", 404, {}, evidence="derived")

    dvc = Of("dvc-studio", "source")
    where = {
        "token_uri": "https://studio.datachain.ai/api/device-login/token",
        "token_name": "random-name",
    }
    dvc.code(
        {"authorization.interval": seconds(5)},
        **{**PLAIN, **where, "interval": None, "expires_in": 1500},
    )
    dvc(
        "device",
        "garbled",
        200,
        {**CODE, **where, "token_uri": "https://other.example/token"},
        evidence="derived",
    )
    dvc("poll", "pending", 400, {"detail": "authorization_pending"})
    dvc("poll", "expired", 400, {"detail": "authorization_expired"})
    dvc("poll", "trouble", 500, {"detail": "unexpected_error"})
    dvc("poll", "slow", 400, {"detail": "slow_down"}, evidence="derived")
    dvc("poll", "denied", 400, {"detail": "access_denied"}, evidence="derived")
    dvc("poll", "token", 200, {"access_token": "isat_1"}, {"token.expires_at": None})

    dagshub = Of("dagshub", "source")
    nano = "2026-01-01T02:00:00.123456789Z"
    dagshub(
        "token",
        "token",
        200,
        {"access_token": "at-1", "token_type": "bearer", "expiry": nano},
        {"token.expires_at.hour": 2},
    )
    dagshub("token", "garbled", 400, b"Bad Request", evidence="derived")

    return [github, gitlab, bitbucket, huggingface, npm, dvc, dagshub]


def _media() -> list[Of]:
    twitch = Of("twitch", "source").code(
        **{**PLAIN, "verification_uri": "https://www.twitch.tv/activate?device-code=ABCDEFGH"}
    )
    twitch(
        "poll",
        "pending",
        400,
        {"status": 400, "message": "authorization_pending"},
        evidence="documented",
    )
    twitch(
        "poll",
        "pending",
        400,
        {"error": "Bad Request", "status": 400, "message": "authorization_pending"},
    )
    twitch("poll", "slow", 400, {"status": 400, "message": "slow_down"}, evidence="derived")
    twitch("poll", "denied", 400, {"status": 400, "message": "access_denied"}, evidence="derived")
    for told in ({"message": "invalid client secret"}, {"error": "invalid_client"}):
        twitch(
            "token", "refused invalid_client", 403, {"status": 403, **told}, evidence="unsourced"
        )
    twitch(
        "poll",
        "expired",
        400,
        {"status": 400, "message": "invalid device code"},
        evidence="documented",
    )
    twitch(
        "poll",
        "refused invalid_client",
        400,
        {"status": 400, "message": "invalid client"},
        evidence="unsourced",
    )
    twitch(
        "poll",
        "trouble",
        500,
        {"error": "Internal Server Error", "status": 500, "message": ""},
        evidence="derived",
    )
    twitch.token(
        {"token.scope": ("a:b", "c"), "token.authorization": "Bearer at-1"},
        token_type="bearer",
        scope=["a:b", "c"],
    )
    twitch(
        "refresh",
        "refused invalid_grant",
        400,
        {"status": 400, "message": "Invalid refresh token"},
        evidence="documented",
    )
    twitch.client_credentials(token_type="bearer", scope=None)

    trakt = Of("trakt", "documented").code(**URL)
    for status, expected in (
        (400, "pending"),
        (404, "refused invalid_grant"),
        (409, "refused invalid_grant"),
        (410, "expired"),
        (418, "denied"),
        (429, "slow"),
    ):
        trakt("poll", expected, status, b"")
    trakt("poll", "pending", 400, b"<html>", evidence="source")
    trakt("device", "trouble", 429, b"", evidence="derived")
    trakt.token(token_type="bearer", created_at=1767225600, scope="public")
    trakt("refresh", "refused invalid_grant", 400, {"error": "invalid_grant"}, evidence="source")

    spotify = Of("spotify", "documented").client_credentials({"token.scope": ()}, scope="")
    spotify(
        "token", "refused invalid_client", 400, {"error": "invalid_client"}, evidence="unsourced"
    )

    tidal = Of("tidal", "source")
    camel = {"deviceCode": "dc-1", "userCode": "ABCDE", "expiresIn": 300.0, "interval": 2}
    schemed = {
        "verificationUri": "https://link.tidal.com",
        "verificationUriComplete": "https://link.tidal.com/ABCDE",
    }
    tidal(
        "device",
        "code",
        200,
        {**camel, **schemed},
        {"authorization.user_code": "ABCDE"},
        evidence="derived",
    )
    tidal(
        "poll",
        "pending",
        400,
        {"status": 400, "error": "authorization_pending", "sub_status": 1002},
    )
    tidal("poll", "expired", 400, {"status": 400, "error": "expired_token", "sub_status": 1003})
    tidal("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    tidal("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    end = {"authorization.expires_at": seconds(100 + 300)}
    tidal("device", "code", 200, {**camel, **schemed}, end, evidence="derived")
    complete = {"authorization.verification_uri_complete": "https://link.tidal.com/ABCDE"}
    tidal("device", "code", 200, {**camel, **schemed}, complete, evidence="derived")
    # What it really sends has no scheme; until that can be said, it is refused.
    bare = {"verificationUri": "link.tidal.com", "verificationUriComplete": "link.tidal.com/ABCDE"}
    tidal("device", "code", 200, {**camel, **bare}, complete)
    tidal.token(user_id=1)

    epic = Of("epic", "source").code(
        {"authorization.interval": seconds(10)}, interval=10, prompt="login"
    )
    for name, expected in (
        ("account.oauth.authorization_pending", "pending"),
        ("account.oauth.slow_down", "slow"),
        ("account.oauth.authorization_expired", "expired"),
        ("not_found", "expired"),
    ):
        epic(
            "poll",
            expected,
            400,
            {
                "errorCode": f"errors.com.epicgames.{name}",
                "errorMessage": "...",
                "numericErrorCode": 1012,
                "error": "invalid_grant",
            },
        )
    epic("poll", "denied", 400, {"errorCode": "access_denied"}, evidence="unsourced")
    space = "errors.com.epicgames.account"
    known = {"errorCode": f"{space}.invalid_client_credentials", "errorMessage": "Sorry."}
    sorry = {"error.description": "Sorry."}
    epic("poll", "refused invalid_client", 400, known, sorry, evidence="unsourced")
    plain = {"error": "invalid_client", "error_description": "Sorry."}
    epic("token", "refused invalid_client", 400, plain, sorry, evidence="derived")
    epic.token(
        {"token.extra.account_id": "a"},
        token_type="bearer",
        expires_at="2026-01-01T04:00:00.000Z",
        refresh_expires=28800,
        account_id="a",
    )

    real_debrid = Of("real-debrid", "source")
    real_debrid.code(
        {"authorization.verification_uri_complete": "https://real-debrid.com/authorize?1"},
        **URL,
        direct_verification_url="https://real-debrid.com/authorize?1",
    )
    real_debrid("poll", "pending", 403, {"error": None, "error_code": None})
    real_debrid("poll", "denied", 400, {"error": "access_denied"}, evidence="unsourced")
    real_debrid("poll", "slow", 429, b"", evidence="documented")
    real_debrid("poll", "expired", 400, {"error": "expired_token"}, evidence="unsourced")
    own = {"client_id": "of-alice", "client_secret": "s3"}
    real_debrid("poll", "grant", 200, own, {"grant": own})
    real_debrid("poll", "garbled", 200, {"client_id": "of-alice"}, evidence="derived")
    spent = {"error": "wrong_parameter", "error_code": 2}
    real_debrid("refresh", "refused wrong_parameter", 400, spent, evidence="documented")
    real_debrid(
        "refresh",
        "token",
        200,
        {"access_token": "at-1", "expires_in": 3600, "refresh_token": "rt-1"},
    )

    premiumize = (
        Of("premiumize", "source")
        .code(**PLAIN)
        .rfc()
        .token(refresh_token=None, token_type="bearer")
    )
    debrid_link = Of("debrid-link", "source").code(**URL).rfc().token()

    torbox = Of("torbox", "source")
    start = {
        "device_code": "dc-1",
        "code": "ABC123",
        "verification_url": "https://tor.box/link",
        "friendly_verification_url": "https://tor.box/link/ABC123",
        "interval": 5,
        "expires_at": "2026-01-01T00:10:00Z",
    }
    torbox(
        "device",
        "code",
        200,
        {"success": True, "error": None, "detail": "ok", "data": start},
        {"authorization.user_code": "ABC123"},
    )
    torbox(
        "poll",
        "pending",
        400,
        {"success": False, "error": "not_authorized", "detail": "Awaiting approval"},
    )
    torbox(
        "poll",
        "pending",
        400,
        {"success": False, "error": None, "detail": "Awaiting approval"},
        evidence="derived",
    )
    torbox(
        "poll", "expired", 400, {"success": False, "error": "expired_device_code", "detail": "..."}
    )
    torbox("poll", "slow", 429, {"success": False}, evidence="derived")
    holds = {
        "authorization.verification_uri_complete": "https://tor.box/link/ABC123",
        "authorization.expires_at": seconds(600),  # 00:10:00, and the wall clock began at 00:00:00
    }
    torbox("device", "code", 200, {"success": True, "data": start}, holds)
    broken = {"success": False, "error": "invalid_request", "detail": "Malformed request"}
    described = {"error.description": "Malformed request"}
    torbox("poll", "refused invalid_request", 400, broken, described)
    torbox(
        "poll", "denied", 400, {"success": False, "error": "access_denied"}, evidence="unsourced"
    )
    torbox(
        "poll",
        "token",
        200,
        {"success": True, "error": None, "data": {"access_token": "at-1"}},
        {"token.access_token": "at-1"},
    )

    tado = Of("tado", "source").code().errors(authorization_pending=400, expired_token=400)
    tado("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    tado("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    tado.token(userId="u")

    return [twitch, trakt, spotify, tidal, epic, real_debrid, premiumize, debrid_link, torbox, tado]


def _social() -> list[Of]:
    facebook = Of("facebook", "source")
    facebook(
        "device",
        "code",
        200,
        {
            "code": "dc-1",
            "user_code": "A1NWZ9",
            "verification_uri": "https://www.facebook.com/device",
            "expires_in": 420,
            "interval": 5,
        },
        {"authorization.device_code": "dc-1", "authorization.user_code": "A1NWZ9"},
    )
    for code, sub, expected in (
        (31, 1349174, "pending"),
        (17, 1349172, "slow"),
        (100, 1349173, "denied"),
        (463, 1349152, "expired"),
    ):
        error = {
            "message": "...",
            "type": "OAuthException",
            "code": code,
            "error_subcode": sub,
            "fbtrace_id": "f",
        }
        facebook("poll", expected, 400, {"error": error})
    facebook("poll", "pending", 400, {"error": {"code": 31}}, evidence="derived")
    facebook("poll", "slow", 400, {"error": {"code": 17}}, evidence="derived")
    titled = {"code": 190, "message": "m", "error_user_msg": "For people."}
    holds = {"error.description": "For people."}
    facebook("poll", "refused 190", 400, {"error": titled}, holds, evidence="derived")
    facebook(
        "poll",
        "refused 190",
        400,
        {"error": {"code": 190, "message": "Invalid token"}},
        {"error.description": "Invalid token"},
        evidence="derived",
    )
    facebook(
        "poll",
        "token",
        200,
        {"access_token": "at-1", "expires_in": 0, "data_access_expiration_time": 1},
        {"token.expires_at": None, "token.token_type": "Bearer"},
    )

    reddit = Of("reddit", "documented").client_credentials(
        {"token.authorization": "Bearer at-1"}, token_type="bearer", scope="*"
    )
    reddit("token", "token", 200, {**TOKEN, "expires_in": None}, {"token.expires_at": None})
    reddit("token", "refused unsupported_grant_type", 200, {"error": "unsupported_grant_type"})
    plain = {"error": "invalid_grant", "error_description": "Sorry."}
    sorry = {"error.description": "Sorry."}
    reddit("token", "refused invalid_grant", 400, plain, sorry, evidence="derived")
    unauthorized = {"message": "Sorry.", "error": 401}
    reddit("token", "refused invalid_client", 401, unauthorized, sorry, evidence="unsourced")
    reddit(
        "token",
        "refused invalid_client",
        401,
        {"message": "Unauthorized", "error": 401},
        evidence="unsourced",
    )

    discord = Of("discord", "documented").client_credentials()
    discord("token", "refused invalid_client", 401, {"error": "invalid_client"}, evidence="derived")
    linkedin = Of("linkedin", "unsourced").client_credentials(
        expires_in="1800", token_type=None, scope=None
    )
    linkedin("token", "refused invalid_client", 401, {"error": "invalid_client"})

    yandex = (
        Of("yandex", "documented")
        .code(**{**URL, "expires_in": 300})
        .errors(authorization_pending=400)
    )
    yandex("poll", "expired", 400, {"error": "expired_token"}, evidence="derived")
    yandex("poll", "denied", 400, {"error": "access_denied"}, evidence="derived")
    yandex("poll", "slow", 400, {"error": "slow_down"}, evidence="derived")
    yandex("poll", "trouble", 503, b"<html>", evidence="source")
    yandex("poll", "refused invalid_grant", 400, {"error": "invalid_grant"})
    yandex.token(token_type="bearer", scope=None)

    baidu = Of("baidu", "documented").code(
        {"authorization.extra.qrcode_url": "https://id.example.com/q"},
        **URL,
        qrcode_url="https://id.example.com/q",
    )
    for code, expected in (
        ("authorization_pending", "pending"),
        ("slow_down", "slow"),
        ("authorization_declined", "denied"),
        ("expired_token", "expired"),
    ):
        baidu(
            "poll", expected, 400, {"error": code, "error_description": "..."}, evidence="derived"
        )
    baidu.token(
        {"token.token_type": "Bearer"},
        token_type=None,
        expires_in=2592000,
        scope="basic netdisk",
        session_key="",
    )
    return [facebook, reddit, discord, linkedin, yandex, baidu]


CASES = tuple(
    case
    for family in (_identity, _selfhosted, _cloud, _developer, _media, _social)
    for of in family()
    for case in of.cases
)
