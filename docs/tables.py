"""Tables that are made from the data while the pages are built, so that none can be out of date.

A page says where one stands: ``<!-- table: providers -->``.
"""

from __future__ import annotations

import json
import re
import tomllib
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, TypeVar

from attrs import AttrsInstance, fields
from sphinx.util.typing import stringify_annotation

from grantflow import (
    Client,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretPost,
    PrivateKeyJwt,
    Public,
    Secret,
)
from grantflow.cli.dispatch import COMMANDS
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.client.client import OWN
from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.core.structure import kinds, shape_of, table_of, usual_of, written
from grantflow.core.values.request import Assertion
from grantflow.providers import Template, Variable, names, template
from grantflow.providers.known import document

T = TypeVar("T", bound=AttrsInstance)

_MARKER: Final = re.compile(r"^<!-- table: (?P<name>[a-z ]+) -->$", re.MULTILINE)

KNOBS: Final = {
    "encoding": "The bodies of requests: `form` (the default) or `json`.",
    "headers": "Headers that go with every request.",
    "send_client_id": "When the client id is in a body: `always`, `if_needed` (where neither Basic "
    "nor an assertion names the client) or `never`. By default that is `if_needed`, and `always` "
    "at the device endpoint.",
    "public_basic": "`True` where a public client sends Basic with an empty secret.",
    "assertion_audience": "Whom a client's assertion is for: `token_endpoint`, `endpoint` (the one "
    "that is asked) or a URL; by default the issuer, else the token endpoint.",
    "scope": "The scope that is asked for where the client names none.",
    "audience": "The audience that is asked for where the client names none.",
    "scope_separator": "What stands between the words of a scope in a request: a space by default; "
    "`None` sends them as a list.",
    "client_id_header": "A header that tells the client id as well.",
    "flow": "The shape of a person's sign-in: `device` (RFC 8628), `two_step`, whose poll brings "
    "credentials that are exchanged for a token, or `link`, where the link is made here and "
    "one request that the server holds open brings a code.",
    "pkce": "`True` where a sign-in needs PKCE (RFC 7636).",
    "poll_at": "The member of the device answer that names the URL to poll. It must be on the "
    "origin of the endpoint that issued the code.",
    "poll_host": "A host that a mirror passes through in that member: the mirror is polled in its "
    "place.",
    "link_scheme": "`https`, for links that come without a scheme.",
    "link_parameter": "The name of the query parameter that makes `verification_uri` a complete "
    "link, for those who send no `verification_uri_complete`.",
    "link_needs_code": "`True` where the bare link is of no use: the complete one is shown.",
    "verification_uri": "The link where the answer has none.",
    "shows_code": "`False` for those who show no code to the person.",
    "interval": "The interval where the answer names none: 5 seconds by default "
    "(RFC 8628 section 3.2).",
    "lifetime": "The lifetime of a code where the answer names none: 30 minutes by default.",
    "authorization_scheme": "The word before the token in an `Authorization` header, where it is "
    "not the token's type.",
    "pkce_supported": "`True` where the metadata offers PKCE (`S256`).",
    "scopes_supported": "The scopes that the metadata names.",
    "client_id_metadata_document_supported": "`True` where a client id may be a document's URL.",
    "notes": "What in the metadata could not be used, and why.",
    "asking.method": "`POST` or `GET`.",
    "asking.encoding": "This kind of request alone: `form`, `json`, `query` or `multipart`.",
    "asking.rename": "The RFC's names of parameters to the provider's.",
    "asking.drop": "Parameters that are not sent.",
    "asking.fixed": "Parameters that are added, or replaced.",
    "asking.echo": "Members of the device answer that are sent back.",
    "asking.again": "Parameters of the first request that are sent once more.",
    "asking.path": "Parameters whose values go to the end of the URL's path.",
    "asking.send_client_id": "As above, for this kind of request alone.",
    "asking.assertion_audience": "As above, for this kind of request alone.",
    "asking.secret_in": "`basic` or `body`: where a client's secret is in this request, if its "
    "server's endpoints differ in it.",
    "answers.root": "The envelope around the answer.",
    "answers.fields": "The RFC's members to the places where the provider puts them. They are "
    "moved, so nothing stays under its first name.",
    "answers.error": "Where the error code is.",
    "answers.sub_error": "Where the second half of the error code is.",
    "answers.error_header": "The header that tells the error code.",
    "answers.description": "Where the description of an error is.",
    "answers.codes": "Error codes as sent to the RFC's.",
    "answers.poll_codes": "The same, in answers to polls only.",
    "answers.device_statuses": "HTTP statuses to error codes, for the answer to the request for "
    "a code, where no code was told.",
    "answers.poll_statuses": "The same, for answers to polls.",
    "answers.token_statuses": "The same, for the other answers of the token endpoint.",
    "answers.scope_separator": "What stands between the words of a scope in an answer.",
    "answers.pending_without_token": "`True` where a 200 without a token says that it waits.",
    "answers.milliseconds": "The answers that count in milliseconds: `device` (where the number is "
    "too large for seconds) and `token`.",
}
"""How a provider may differ, and in which words."""

ALIASES: Final = {
    "grantflow.Instant": "A reading of the monotonic clock: its origin means nothing, differences "
    "do. A type of its own, so that it is not mixed up with a span.",
    "grantflow.core.values.response.Reply": "What a transport returns.",
    "grantflow.core.values.pairs.Pairs": "Parameters or headers in order; a name may come twice. A "
    "mapping is taken as well.",
    "grantflow.core.values.request.Encoding": "How the parameters of a request travel.",
    "grantflow.core.values.json.Json": "A JSON value made of things that cannot change.",
    "grantflow.core.client.dialect.Names": "Pairs of names; a mapping is taken as well.",
    "grantflow.core.client.authentication.ClientAuthentication": "How a client proves who it is.",
    "grantflow.core.client.identity.Grant": "The two grants of a token source.",
    "grantflow.core.flows.states.Final": "Where a flow ends.",
    "grantflow.DeviceState": "Every state of the device flow.",
    "grantflow.GrantState": "Every state of client credentials and refresh.",
    "grantflow.core.flows.events.DeviceReply": "What a device answer may say.",
    "grantflow.core.flows.events.TokenReply": "What the token endpoint may have said.",
    "grantflow.core.flows.events.Received": "What a ``Send`` may read from a reply.",
    "grantflow.Event": "Everything that may happen to a flow.",
    "grantflow.SourceEvent": "Everything that a token source tells its observer.",
    "grantflow.core.flows.flow_for.SignInFlow": "The flows that a person takes part in.",
    "grantflow.core.flows.effects.Due": "What a driver does next.",
    "grantflow.core.values.errors.Error": "Why a sign-in failed.",
    "grantflow.Problem": "What a caller of a token source may get instead of a token.",
    "grantflow.Transport": "Sends a request once. It never raises for trouble on the "
    "network: it returns a fault.",
    "grantflow.Prompt": "Shows a person what to do.",
    "grantflow.shell.aio.AsyncTransport": "The same as a transport, awaited.",
}
"""The promised names of types that are made of other types."""


def filled(page: str) -> str:
    """Return a page with its tables; a marker for no table is a ``LookupError``."""
    return _MARKER.sub(lambda marker: _table(marker["name"]), page)


def providers() -> str:
    """Return every known provider in a row."""
    rows = [
        (
            "<br>".join((f"`{each.name}`", *each.aliases)),
            each.title,
            ", ".join(_grants(each)) or "renewal only",
            "yes" if each.provider.revocation_endpoint else "no",
            "<br>".join(map(_need, each.needs)),
            ", ".join(each.provider.auth_methods),
            each.verified or "",
            "<br>".join(each.source),
        )
        for each in map(template, names())
    ]
    head = (
        "name, other names",
        "provider",
        "grants",
        "revocation",
        "values",
        "client authentication",
        "verified by",
        "source",
    )
    return _rows(head, rows)


def knobs() -> str:
    """Return every way in which a provider may differ, with those who do."""
    users = {knob: [each.name for each in _templates() if knob in used(each)] for knob in KNOBS}
    rows = [(f"`{knob}`", meaning, _some(users[knob])) for knob, meaning in KNOBS.items()]
    return _rows(("knob", "meaning", "who turns it"), rows)


TEMPLATE_KEYS: Final = {
    "title": "What it is called.",
    "source": "The public places that it was read from.",
    "aliases": "Other names by which it is found.",
    "client_credentials": "Whether it has that grant; by default where no person signs in.",
    "client_id": "The client id that it publishes for programs of others; it may hold gaps.",
    "verified": "Against what the entry was checked.",
    "note": "What a person has to do or know.",
    "git_user": "The user name that its git server wants beside a token: `oauth2` by default.",
    "required": "Without what a request is refused: `scope`, `audience`, `resource`.",
    "machine_required": "The same, for client credentials alone.",
    "machine_methods": "How a client may prove itself for client credentials, where it is not all "
    "of `auth_methods`.",
}
WHERE_KEYS: Final = {
    "issuer": "Who it says it is: the audience of an assertion.",
    "auth_methods": "How a client may prove itself, the usual way first.",
    "mtls_endpoint_aliases": "Endpoints, and those that stand for them with a certificate.",
}
NEED_KEYS: Final = {
    "kind": "What may be put in; by default what its place allows.",
    "default": "What is put in where nothing is given.",
    "choices": "All that may be put in.",
    "environment": "The variable in which the command looks for it.",
    "hint": "Where a person finds it.",
    "follows": "Another gap, whose beginning decides the default.",
    "prefixes": "Beginnings of that, and the default for each.",
}


def keys() -> str:
    """Return every key of a file of providers: what it takes, its default and an example."""
    places: list[tuple[str, type[AttrsInstance], Mapping[str, str]]] = [
        ("", Template, TEMPLATE_KEYS),
        ("", Provider, KNOBS | WHERE_KEYS),
        ("poll.", RequestFormat, _inside("asking.")),
        ("answers.", ResponseFormat, _inside("answers.")),
        ("needs.NAME.", Variable, NEED_KEYS),
    ]
    rows = [
        (
            f"`{before}{name}`",
            shape_of(kind).phrase,
            _usual(table, name),
            _example(before, name),
            meanings.get(name, "An endpoint." if name.endswith("endpoint") else ""),
        )
        for before, table, meanings in places
        for name, kind in kinds(table).items()
        if name not in ("name", "provider", "needs", "discovers") and table_of(kind) is None
    ]
    return _rows(("key", "takes", "default", "for example", "meaning"), rows)


METHODS: Final[Mapping[str, ClientAuthentication]] = {
    "none": Public(),
    "client_secret_basic": ClientSecretBasic("s"),
    "client_secret_basic_raw": ClientSecretBasic("s", encoding="raw"),
    "client_secret_post": ClientSecretPost("s"),
    "client_secret_headers": ClientSecretHeaders("s"),
    "private_key_jwt": PrivateKeyJwt("PEM"),
}


_ENDPOINTS: Final = {
    "device": "device_authorization_endpoint",
    "poll": "poll_endpoint",
    "revocation": "revocation_endpoint",
    "introspection": "introspection_endpoint",
}
KINDS: Final = ("device", "poll", "exchange", "token", "refresh", "revocation", "introspection")
"""The requests of a client that is registered already."""


def requests() -> str:
    """Return how a client names and proves itself in each request, with the providers of each way.

    It is read off the requests; a test holds it equal to what the played vendors are sent.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for name, method, proofs in ways():
        found.setdefault((method, *proofs.values()), []).append(name)
    rows = [
        (*(f"`{cell}`" if cell else "" for cell in way), ", ".join(who))
        for way, who in sorted(found.items())
    ]
    return _rows(("method", *KINDS, "providers"), rows)


def ways() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield each provider that the tests play with each of its methods: the proof by request."""
    for each in _templates():
        provider, played = each.provider, _played(each.name)
        for method in provider.auth_methods if played else ():
            client = Client(provider=provider, client_id="ID", authentication=METHODS[method])
            # A public client gets no token as a machine, and is told nothing of one.
            public = method == "none" and not provider.public_basic
            machine = not public and method in each.methods_for("client_credentials")
            untold = {"token"} if not machine else set()
            untold |= {"introspection"} if public else set()
            proofs = {
                kind: _proof(client, kind) if kind in played and kind not in untold else ""
                for kind in KINDS
            }
            yield each.name, method, proofs


def _played(name: str) -> Mapping[str, object]:
    """Return the requests that the played vendor knows."""
    path = _CASES / f"{name}.toml"
    found: Mapping[str, object] = tomllib.loads(path.read_text("utf-8")).get("asked", {})
    return found


_CASES: Final = Path(__file__).parents[1] / "tests" / "providers" / "cases"


def _proof(client: Client, kind: str) -> str:
    provider = client.provider
    if kind == "exchange" and set(OWN) <= set(provider.exchange.echo):
        return "the id and secret of the answer"
    own: str | None = getattr(provider, _ENDPOINTS.get(kind, "token_endpoint"))
    request = client.request(own or provider.token_endpoint, (), _asking(provider, kind))
    shown = {"ID": "id", "s": "secret"}
    sent = [
        f"{name}={shown[text]}"
        for name, value in request.form
        if (text := value.reveal() if isinstance(value, Secret) else value) in shown
    ]
    sent += ["Basic" for name, _ in request.headers if name == "Authorization"]
    sent += [name for name, _ in request.headers if name.startswith("client-")]
    if isinstance(request.assertion, Assertion):
        to = request.assertion.audience
        words = {provider.token_endpoint: "the token endpoint", provider.issuer: "the issuer"}
        asked = provider.assertion_audience == "endpoint"
        to = "the endpoint that is asked" if asked else words.get(to, to)
        sent.append(f"assertion for {to}")
    return ", ".join(sent) or "nothing"


def _inside(before: str) -> Mapping[str, str]:
    return {name.removeprefix(before): text for name, text in KNOBS.items() if before in name}


def _usual(table: type[AttrsInstance], name: str) -> str:
    usual = usual_of(table)
    return f"`{json.dumps(written(usual[name]))}`" if name in usual else "required"


def _example(before: str, name: str) -> str:
    """Return how the first provider that has the key has it."""
    for provider in names():
        table: object = document(f"{provider}.toml")[provider]
        for step in before.removesuffix("NAME.").split("."):
            if step and isinstance(table, dict):
                table = table.get(step)
        inner = list(table.values()) if "NAME" in before and isinstance(table, dict) else [table]
        for each in inner:
            if isinstance(each, dict) and name in each:
                return f"`{json.dumps(each[name], ensure_ascii=False)}` ({provider})"
    return ""


def used(known: Template) -> frozenset[str]:
    """Return the knobs that a provider turns."""
    provider = known.provider
    own = {name for name in _changed(provider, _PLAIN) if name in KNOBS}
    asking = {
        f"asking.{name}"
        for kind, plain in _ASKING.items()
        for name in _changed(_asking(provider, kind), plain)
    }
    return frozenset(
        own | asking | {f"answers.{name}" for name in _changed(provider.answers, ResponseFormat())}
    )


def aliases() -> str:
    """Return every alias as an entry of the reference, with what it stands for."""
    entries = [
        f".. py:type:: {name}\n   :canonical: {_canonical(name)}\n\n   {meaning}\n"
        for name, meaning in ALIASES.items()
    ]
    return "\n".join(("```{eval-rst}", *entries, "```"))


def _canonical(name: str) -> str:
    home, _, last = name.rpartition(".")
    value: object = getattr(import_module(home), last)
    return stringify_annotation(getattr(value, "__supertype__", value), "smart")


def command(name: str) -> str:
    """Return the arguments of one command, from its own parser."""
    make: Callable[[], ArgumentParser] = import_module(f"grantflow.cli.commands.{name}").parser
    rows = [(_spelt(each), _meaning(each)) for each in _actions(make())]
    return _rows(("", "meaning"), rows) if rows else "It takes no options."


def commands() -> str:
    """Return every command in a row."""
    return _rows(
        ("", ""), [(f"[`grantflow {name}`](#{name})", COMMANDS[name]) for name in COMMANDS]
    )


def _table(name: str) -> str:
    first, _, rest = name.partition(" ")
    if first == "command":
        return command(rest)
    tables = {
        "providers": providers,
        "knobs": knobs,
        "keys": keys,
        "requests": requests,
        "commands": commands,
        "aliases": aliases,
    }
    return tables[first]()


def _templates() -> Iterator[Template]:
    return map(template, names())


_PLAIN: Final = Provider(name="plain", token_endpoint="https://plain.example/token")
_ASKING: Final = {
    each.name: found
    for each in fields(Provider)
    if isinstance(found := getattr(_PLAIN, each.name), RequestFormat)
}


def _asking(provider: Provider, kind: str) -> RequestFormat:
    found: RequestFormat = getattr(provider, kind)
    return found


def _changed(value: T, plain: T) -> Iterator[str]:
    for each in fields(type(value)):
        if getattr(value, each.name) != getattr(plain, each.name):
            yield each.name


_SHAPES: Final = {
    "device": "device",
    "two_step": "device, in two steps",
    "link": "a link and a code",
}


def _grants(known: Template) -> Iterator[str]:
    if "device" in known.grants:
        yield _SHAPES[known.provider.flow]
    if "client_credentials" in known.grants:
        yield "client credentials"


def _need(need: Variable) -> str:
    if need.choices:
        return f"`{need.name}`: {', '.join(need.choices[:-1])} or {need.choices[-1]}"
    match need.default:
        case None:
            return f"`{need.name}`, required"
        case "":
            return f"`{need.name}`: empty"
        case default:
            where = "" if need.environment is None else f", or `{need.environment}`"
            return f"`{need.name}`: {default}{where}"


def _some(users: list[str]) -> str:
    if not users:
        return "none"
    few = ", ".join(f"`{name}`" for name in users[:3])
    return few if len(users) <= 3 else f"{few} and {len(users) - 3} more"


def _actions(parser: ArgumentParser) -> list[Action]:
    # argparse tells what it knows only by this attribute, or in a text that would have to be read.
    return [each for each in parser._actions if each.dest != "help" and each.help != SUPPRESS]  # noqa: SLF001


def _spelt(action: Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    flags = ", ".join(action.option_strings)
    text = f"{flags} {value}" if flags else str(value)
    return f"`{text.strip()}`"


def _meaning(action: Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default))


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
