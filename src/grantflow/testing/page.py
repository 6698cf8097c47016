"""The approval page of the loopback server: pure functions from values to HTML.

Rules:

1. ``visit`` is to a person's browser what ``answer`` is to a client: the same server value goes in
   and comes out. It has no random source: a fresh browser name and the key are arguments.
2. A GET changes nothing. A POST decides only with a proof that this server made for this browser
   and this code, and not on behalf of another site (RFC 8628 section 5.4 on remote phishing).
3. Everything that somebody else chose is escaped, characters that hide or reorder text as well.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from html import escape
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from grantflow.core.messages import escaped
from grantflow.core.values.request import Request
from grantflow.core.values.response import Response
from grantflow.testing.server import Server, SignIn, Verdict, decided

Obstacle: TypeAlias = Literal["unknown", "expired", "used", "approved", "denied"]
"""Why nobody can decide about a code (any more)."""

COOKIE: Final = "grantflow-browser"

STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #f3f5f9; --card: #ffffff; --ink: #171c28; --quiet: #4f586b;
  --line: #d9dee8; --edge: #737d91; --panel: #eef2fc;
  --accent: #2148b8; --on-accent: #ffffff; --accent-hover: #173793;
  --good: #14602f; --good-panel: #e5f5ea; --bad: #9b1c17; --bad-panel: #fdeceb;
  --care: #6b4500; --care-panel: #fdf3dc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1118; --card: #181d28; --ink: #eef1f7; --quiet: #a8b1c4;
    --line: #2c3444; --edge: #7e8aa3; --panel: #20283a;
    --accent: #9db9ff; --on-accent: #0b1533; --accent-hover: #bfd1ff;
    --good: #86dca4; --good-panel: #142b1e; --bad: #ffaca5; --bad-panel: #3a1a1a;
    --care: #f2cd85; --care-panel: #2f2611;
  }
}
*, ::before, ::after { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; padding: clamp(1rem, 5vw, 3.5rem) 1rem 2rem;
  background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
header, main, footer { max-width: 31rem; margin: 0 auto; }
header { display: flex; align-items: center; gap: .6rem; font-weight: 600; }
header svg { width: 1.75rem; height: 1.75rem; flex: none; color: var(--accent); }
header span { color: var(--quiet); font-weight: 400; }
main {
  margin: 1rem auto; padding: clamp(1.25rem, 5vw, 2.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem;
  box-shadow: 0 1px 2px rgb(0 0 0 / .05), 0 12px 32px -12px rgb(0 0 0 / .15);
}
footer { color: var(--quiet); font-size: .875rem; text-align: center; }
h1 {
  margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em;
  text-wrap: balance;
}
h2 { margin: 1.75rem 0 .25rem; font-size: 1.0625rem; }
p { margin: 0 0 1rem; }
main > :last-child, main > :last-child > :last-child { margin-bottom: 0; }
a { color: var(--accent); text-underline-offset: .2em; }
a:hover { color: var(--accent-hover); }
.quiet { color: var(--quiet); }
.code, input { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono", monospace; }
.code {
  margin: 1.25rem 0; padding: 1.1rem .5rem; border-radius: .75rem; background: var(--panel);
  font-size: clamp(1.75rem, 9.5vw, 2.75rem); font-weight: 700; line-height: 1.2;
  letter-spacing: .06em; text-align: center;
}
dl { margin: 0 0 1.25rem; border: solid var(--line); border-width: 1px 0; }
dl div {
  display: grid; grid-template-columns: 8rem 1fr; gap: .1rem 1rem; padding: .7rem 0;
  align-items: baseline;
}
dl div + div { border-top: 1px solid var(--line); }
dt { color: var(--quiet); }
dd { margin: 0; font-weight: 600; min-width: 0; }
dd ul { display: flex; flex-wrap: wrap; gap: .375rem; margin: 0; padding: 0; list-style: none; }
dd li, pre {
  border: 1px solid var(--line); border-radius: .5rem; background: var(--page);
  font: .875rem/1.5 ui-monospace, Menlo, Consolas, "Noto Sans Mono", monospace;
}
dd li { padding: .1rem .5rem; }
pre { margin: 0 0 1rem; padding: .75rem 1rem; white-space: pre-wrap; }
.notice { margin: 0 0 1.5rem; padding: .85rem 1rem; border-radius: .75rem; }
.notice p:last-child, .notice h1:last-child { margin: 0; }
.notice.care { background: var(--care-panel); color: var(--care); }
.notice.good, .good svg { background: var(--good-panel); color: var(--good); }
.notice.bad, .bad svg { background: var(--bad-panel); color: var(--bad); }
.result { padding: .5rem 0 .75rem; text-align: center; }
.result svg {
  width: 4rem; height: 4rem; margin-bottom: .75rem; padding: .9rem; border-radius: 50%;
}
label { display: block; margin-bottom: .375rem; font-weight: 600; }
input, button { width: 100%; min-height: 3.25rem; border-radius: .75rem; }
input {
  margin-bottom: 1rem; padding: .5rem 1rem; border: 1px solid var(--edge);
  background: var(--card); color: var(--ink); font-size: 1.375rem; font-weight: 600;
  letter-spacing: .08em; text-transform: uppercase;
}
input[aria-invalid] { border: 2px solid var(--bad); }
button {
  padding: .6rem 1.25rem; border: 1px solid var(--accent); background: var(--accent);
  color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer;
}
button:hover { background: var(--accent-hover); border-color: var(--accent-hover); }
button[value=denied] { border-color: var(--edge); background: var(--card); color: var(--ink); }
button[value=denied]:hover { background: var(--panel); }
.choice { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
@media (max-width: 26rem) {
  dl div, .choice { grid-template-columns: 1fr; }
}
"""
"""Colours are pairs of text and ground; a test holds each of them to WCAG's contrast."""


_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'",
        "img-src data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

HEADERS: Final = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
)


def shown(html: str, status: int = 200, *, browser: str | None = None) -> Response:
    """Return a page as an answer that no other site can frame, script or keep.

    ``browser`` names the browser from now on, in a cookie that only this page gets back.
    """
    # Not Secure: loopback has no https, and some browsers would drop the cookie.
    cookie = f"{COOKIE}={browser}; Path=/activate; HttpOnly; SameSite=Strict"
    headers = dict(HEADERS) if browser is None else {**HEADERS, "Set-Cookie": cookie}
    return Response(status, headers, html.encode())


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


def proof(key: bytes, browser: str, user_code: str) -> str:
    """Return what a form must bring along to decide: made for one browser and one code."""
    return hmac.new(key, _bytes(f"{browser}:{user_code}"), sha256).hexdigest()


def visit(
    server: Server, request: Request, at: timedelta, *, key: bytes, fresh: str
) -> tuple[Server, Response]:
    """Return the server after a person's browser asked for ``/activate``, and what it shows.

    ``fresh`` is the name of a browser that has none yet: 32 hexadecimal digits, unguessable.
    """
    headers = {name.lower(): value for name, value in request.header_map().items()}
    browser = _browser(headers)
    if request.method == "GET":
        asked = parse_qs(urlsplit(request.url).query).get("user_code", [""])[0]
        if not asked.strip():
            return server, shown(entry())
        return server, _opened(server, asked, at, key=key, browser=browser, fresh=fresh)
    form = {name: value for name, value in request.form if isinstance(value, str)}
    user_code, given = form.get("user_code", ""), form.get("proof", "")
    if browser is None or _foreign(headers) or not _proven(key, browser, user_code, given):
        return server, shown(refusal(), 403)
    verdict = _VERDICTS.get(form.get("verdict", ""))
    if verdict is None or not isinstance(waiting(server, user_code, at), SignIn):
        return server, _opened(server, user_code, at, key=key, browser=browser, fresh=fresh)
    return decided(server, user_code, verdict), shown(result(verdict))


_VERDICTS: Final[Mapping[str, Verdict]] = {"approved": "approved", "denied": "denied"}


def _opened(
    server: Server, user_code: str, at: timedelta, *, key: bytes, browser: str | None, fresh: str
) -> Response:
    found = waiting(server, user_code, at)
    if not isinstance(found, SignIn):
        return shown(entry(user_code, found), 404 if found == "unknown" else 410)
    form = question(found, proof(key, browser or fresh, found.user_code))
    return shown(form, browser=fresh if browser is None else None)


def _browser(headers: Mapping[str, str]) -> str | None:
    found = re.search(rf"(?:^|;)\s*{COOKIE}=([0-9a-f]{{32}})(?:;|$)", headers.get("cookie", ""))
    return None if found is None else found[1]


def _foreign(headers: Mapping[str, str]) -> bool:
    """Tell whether the browser says that another origin sent the form; other ports are others."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    # "null" says nothing: with our Referrer-Policy browsers send it for our own form as well
    # (Fetch, section 3.2).
    own = f"http://{headers.get('host', '')}"
    return headers.get("origin", "null") not in ("null", own)


def _proven(key: bytes, browser: str, user_code: str, given: str) -> bool:
    return hmac.compare_digest(_bytes(proof(key, browser, user_code)), _bytes(given))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def front(issuer: str) -> str:
    """Return what ``/`` shows: what this server is and what to do with it."""
    return _page(
        "Test server",
        f"""
<h1>This is an authorization server to try sign-ins on</h1>
<p>It plays OAuth 2.0 for programs on this machine: the device grant, client credentials, refresh,
revocation and introspection. It forgets everything when it stops.</p>
<h2>Your device shows a code?</h2>
<p><a href="/activate">Enter the code</a> to approve or deny its sign-in.</p>
<h2>You want to try one?</h2>
<p>Any client id will do, unless the server was started with a list.</p>
<pre><code>grantflow login --issuer {_text(issuer)} --client-id demo</code></pre>
<p class="quiet">Its endpoints are in the
<a href="/.well-known/oauth-authorization-server">metadata document</a>.</p>""",
    )


def entry(typed: str = "", why: Obstacle | None = None) -> str:
    """Return the form in which a person types the code, and what was wrong with the last one."""
    title = "Connect a device" if why is None else _OBSTACLES[why][0]
    # Only a mistyped code is worth mending.
    shown_again = typed[:_LONGEST_ECHO] if why == "unknown" else ""
    described = "hint" if why is None else "hint why"
    invalid = ' aria-invalid="true"' if why == "unknown" else ""
    return _page(
        title,
        f"""{_notice(why)}
<h1>Connect a device</h1>
<form method="get" action="/activate">
<p id="hint" class="quiet">Type the code that your device shows. Dashes and capitals do not
matter.</p>
<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="{_text(shown_again)}" required autofocus
 maxlength="{_LONGEST_ECHO}" autocomplete="off" autocapitalize="characters" spellcheck="false"
 aria-describedby="{described}"{invalid}>
<button type="submit">Continue</button>
</form>""",
    )


_LONGEST_ECHO: Final = 32


def question(found: SignIn, given: str) -> str:
    """Return the form in which a person approves or denies a sign-in; ``given`` is its proof."""
    scopes = "".join(f"<li>{_text(scope)}</li>" for scope in found.scope.split())
    return _page(
        "Approve this sign-in?",
        f"""
<h1>Is this the code on your device?</h1>
<p>Compare every letter. If the codes differ, deny.</p>
<p class="code">{_text(found.user_code)}</p>
<dl>
<div><dt>Application</dt><dd>{_text(found.client_id)}</dd></div>
<div><dt>Asks for</dt><dd>{f"<ul>{scopes}</ul>" if scopes else "no particular scope"}</dd></div>
</dl>
<p class="notice care"><strong>If you did not start this sign-in yourself, deny it.</strong>
Whoever sent you the link or the code would get in as you.</p>
<form method="post" action="/activate" class="choice">
<input type="hidden" name="user_code" value="{_text(found.user_code)}">
<input type="hidden" name="proof" value="{_text(given)}">
<button type="submit" name="verdict" value="approved">Approve</button>
<button type="submit" name="verdict" value="denied">Deny</button>
</form>""",
    )


def result(verdict: Verdict) -> str:
    """Return what a person sees after the decision."""
    match verdict:
        case "approved":
            return _page(
                "Approved",
                f"""
<div role="status" class="result good">{_icon(_TICK)}
<h1>Approved</h1>
<p>You can go back to your device.<br>This window is no longer needed.</p>
</div>""",
            )
        case "denied":
            return _page(
                "Denied",
                f"""
<div role="status" class="result bad">{_icon(_CROSS)}
<h1>Denied</h1>
<p>The device was not signed in.<br>This window is no longer needed.</p>
</div>""",
            )


def refusal() -> str:
    """Return what a form shows that did not come from this page in this browser."""
    return _page(
        "Not accepted",
        """
<div role="alert" class="notice bad">
<h1>Nothing was decided</h1>
<p>This form did not come from this page in this browser, or the page was too old.</p>
</div>
<p><a href="/activate">Enter the code again</a></p>""",
    )


_OBSTACLES: Final[Mapping[Obstacle, tuple[str, str]]] = {
    "unknown": ("This code is not known", "Compare it with the code on your device."),
    "expired": ("This code has expired", "Start again on your device to get a new one."),
    "used": ("This code has been used", "It works once. Start again on your device for another."),
    "approved": ("You already approved this sign-in", "You can go back to your device."),
    "denied": ("You already denied this sign-in", "Start again on your device to get a new code."),
}


def _notice(why: Obstacle | None) -> str:
    if why is None:
        return ""
    role, kind = ("status", "good") if why == "approved" else ("alert", "bad")
    title, advice = _OBSTACLES[why]
    return f"""
<div role="{role}" id="why" class="notice {kind}"><p><strong>{title}.</strong> {advice}</p></div>"""


def _text(text: str) -> str:
    # First what would hide or reorder text, lone surrogates too: no page can be encoded with them.
    return escape(escaped(text))


_KEY: Final = '<circle cx="8" cy="12" r="4.5"/><path d="M12.5 12H22v4M17.5 12v3"/>'
_TICK: Final = '<path d="m4 12.5 5.5 5.5L20 6.5"/>'
_CROSS: Final = '<path d="m5.5 5.5 13 13m0-13-13 13"/>'


def _icon(paths: str, colour: str = "currentColor") -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='{colour}'"
        " stroke-width='2' stroke-linecap='round' stroke-linejoin='round' aria-hidden='true'>"
        f"{paths}</svg>"
    )


_FAVICON: Final = b64encode(_icon(_KEY, "#4a74e8").encode()).decode()


def _page(title: str, main: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - grantflow test server</title>
<link rel="icon" type="image/svg+xml" href="data:image/svg+xml;base64,{_FAVICON}">
<style>{STYLE}</style>
</head>
<body>
<header>{_icon(_KEY)}<div>grantflow <span>test server</span></div></header>
<main>{main}
</main>
<footer>Runs on this machine only, for tests. No real account is behind it.</footer>
</body>
</html>
"""
