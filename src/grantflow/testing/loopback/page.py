"""The approval page of the loopback server: two forms and two buttons, as pure functions.

Rules:

1. ``visit`` is to a person's browser what ``answer`` is to a client: the same server value goes in
   and comes out.
2. A GET changes nothing. A POST decides only with the key that this server put into its own form,
   which no other origin can read, and not if the browser says that another origin sent it
   (RFC 8628 section 5.4 on remote phishing).
3. What clients and people sent is escaped, characters that hide or reorder text as well.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from grantflow.core.values.request import Request
from grantflow.core.values.response import Response
from grantflow.core.values.text import escaped
from grantflow.testing.server.answer import decided
from grantflow.testing.server.value import Server, SignIn, Verdict

Obstacle: TypeAlias = Literal["unknown", "expired", "used", "approved", "denied"]
"""Why a code cannot be decided about."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers name no origin for our own form (Fetch, section 3.2).
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OBSTACLES: Final[Mapping[Obstacle, str]] = {
    "unknown": "This code is not known. Compare it with the code on your device.",
    "expired": "This code has expired. Start again on your device.",
    "used": "This code has been used. Start again on your device.",
    "approved": "You already approved this sign-in. You can go back to your device.",
    "denied": "You already denied this sign-in.",
}
_RESULTS: Final[Mapping[Verdict, str]] = {
    "approved": "You can go back to your device.",
    "denied": "The device was not signed in.",
}
_LONGEST_CODE: Final = 32


def waiting(server: Server, user_code: str, at: timedelta) -> SignIn | Obstacle:
    """Return the sign-in that a person can decide about at ``at``, or why there is none."""
    found = server.sign_in(user_code)
    if found is None:
        return "unknown"
    if found.verdict is not None:
        return found.verdict
    if found.used:
        return "used"
    return "expired" if at >= found.ends_at else found


def visit(server: Server, request: Request, at: timedelta, *, key: str) -> tuple[Server, Response]:
    """Return the server after a browser asked for ``/activate``, and the page that it shows.

    ``key`` is what this server's own forms hold: it must be unguessable.
    """
    if request.method == "GET":
        typed = parse_qs(urlsplit(request.url).query).get("user_code", [""])[0]
        return server, _opened(server, typed, at, key) if typed.strip() else _entry()
    form = {name: value for name, value in request.form if isinstance(value, str)}
    user_code, verdict = form.get("user_code", ""), _verdict(form.get("verdict"))
    if _foreign(request) or not _same(key, form.get("key", "")):
        told = "This form did not come from this page, or the page was too old."
        return server, _page("Nothing was decided", f"<p role=alert>{told}</p>", 403)
    if verdict is None or not isinstance(waiting(server, user_code, at), SignIn):
        return server, _opened(server, user_code, at, key)
    told = _RESULTS[verdict]
    page = _page(verdict.capitalize(), f"<p role=status>{told} You can close this window.</p>")
    return decided(server, user_code, verdict), page


def front(issuer: str) -> Response:
    """Return the page at ``/``: what this server is, and what to do with it."""
    return _page(
        "A test authorization server",
        f"""<p>It forgets everything when it stops. Any client id is accepted, unless it was started
with a list.</p>
<p><a href="/activate">Enter the code</a> of a device to approve or deny its sign-in.</p>
<p>To try one: <code>grantflow login --issuer {_text(issuer)} --client-id demo</code></p>""",
    )


def _opened(server: Server, user_code: str, at: timedelta, key: str) -> Response:
    found = waiting(server, user_code, at)
    if not isinstance(found, SignIn):
        return _entry(user_code, found)
    return _page(
        "Is this the code on your device?",
        f"""<p><strong><code>{_text(found.user_code)}</code></strong></p>
<p>Application: {_text(found.client_id)}. Scope: {_text(found.scope or "none")}.</p>
<p>If you did not start this sign-in yourself, deny it: whoever sent you the code would be signed in
as you.</p>
<form method="post" action="/activate">
<input type="hidden" name="user_code" value="{_text(found.user_code)}">
<input type="hidden" name="key" value="{_text(key)}">
<button name="verdict" value="approved">Approve</button>
<button name="verdict" value="denied">Deny</button>
</form>""",
    )


def _entry(typed: str = "", why: Obstacle | None = None) -> Response:
    role = "status" if why == "approved" else "alert"
    told = "" if why is None else f'<p role="{role}" id="why">{_OBSTACLES[why]}</p>\n'
    # Only a mistyped code is worth correcting.
    value = typed[:_LONGEST_CODE] if why == "unknown" else ""
    return _page(
        "Connect a device",
        f"""{told}<form action="/activate">
<label for="user_code">Code on your device</label>
<input id="user_code" name="user_code" value="{_text(value)}" required autofocus
 maxlength="{_LONGEST_CODE}" autocomplete="off" autocapitalize="characters" spellcheck="false"
{' aria-describedby="why"' if why else ""}>
<button>Continue</button>
</form>""",
        {None: 200, "unknown": 404}.get(why, 410),
    )


def _verdict(text: str | None) -> Verdict | None:
    match text:
        case "approved" | "denied":
            return text
        case _:
            return None


def _foreign(request: Request) -> bool:
    """Return whether the browser says that another origin sent the form; another port is one."""
    headers = {name.lower(): value for name, value in request.header_map().items()}
    own = f"http://{headers.get('host', '')}"
    site = headers.get("sec-fetch-site", "same-origin")
    return site not in ("same-origin", "none") or headers.get("origin", own) != own


def _same(key: str, text: str) -> bool:
    return hmac.compare_digest(key.encode(), text.encode("utf-8", "surrogatepass"))


def _text(text: str) -> str:
    # First what would hide or reorder text, lone surrogates too: no page can be encoded with them.
    return escape(escaped(text))


def _page(title: str, main: str, status: int = 200) -> Response:
    html = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - grantflow test server</title>
<main>
<h1>{title}</h1>
{main}
</main>
</html>
"""
    return Response(status, HEADERS, html.encode())
