"""``grantflow providers``: the providers that have a name, and all that is known of one."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from grantflow.cli.login import known
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles.oddities import oddities
from grantflow.cli.table import columns
from grantflow.providers import Catalog, Template, Variable, document_of
from grantflow.providers.template import urls_of
from grantflow.shell.provider_file import own_file


class Options(Namespace):
    """What the command line says."""

    name: str | None
    provider_file: str | None
    json: bool


_OWN: Final = (
    "[acme]",
    'token_endpoint = "https://{host}/oauth/token"',
    'device_authorization_endpoint = "https://{host}/oauth/device"',
    'auth_methods = ["none"]',
    'poll.rename = { device_code = "code" }',
    "",
    "[our-github]",
    'like = "github"',
    'needs.host.default = "git.example.com"',
)

_EXAMPLES: Final = (
    "grantflow providers",
    "grantflow providers entra",
    "grantflow providers our-github --provider-file mine.toml",
    "",
    "# mine.toml, or providers.toml in the folder of all files; its names win",
    *_OWN,
)

_GRANTS: Final = {"device": "device", "client_credentials": "client credentials"}


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "providers", "List the providers that have a name, or tell all of one.", _EXAMPLES
    )
    made.add_argument("name", metavar="NAME", nargs="?", help="tell all that is known of it")
    made.add_argument(
        "--provider-file", metavar="FILE", help="providers of your own in TOML; their names win"
    )
    made.add_argument("--json", action="store_true", help="one JSON list, or one object with NAME")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    catalog = known.catalog(options.provider_file)
    if options.name is None:
        found = [catalog.template(name) for name in catalog.names()]
        if options.json:
            answer(json.dumps([_members(each, catalog) for each in found]))
            return 0
        for line in columns([_HEAD, *(_row(each, catalog) for each in found)]):
            answer(line)
        tell()
        tell("A need in brackets has a usual value. All of one: grantflow providers NAME")
        tell(f"Providers of your own are tables in {own_file()}")
        return 0
    template = known.template(catalog, options.name)
    if options.json:
        answer(json.dumps(_members(template, catalog)))
    else:
        for line in _all_of(template, catalog):
            answer(line)
    return 0


def _is_own(template: Template, catalog: Catalog) -> bool:
    return catalog.is_own(template.name)


def _members(template: Template, catalog: Catalog) -> dict[str, object]:
    return {
        "name": template.name,
        "title": template.title,
        "aliases": list(template.aliases),
        "grants": list(template.grants),
        "needs": [
            {
                "name": need.name,
                "kind": need.kind,
                "default": need.default,
                "choices": list(need.choices),
                "environment": need.environment,
                "hint": need.hint,
            }
            for need in template.needs
        ],
        "own": _is_own(template, catalog),
        "source": list(template.source),
        "verified": template.verified,
        "note": template.note,
        "provider": document_of(template.provider),
    }


_HEAD: Final = ("NAME", "GRANTS", "NEEDS", "VERIFIED BY", "WHAT")


def _row(template: Template, catalog: Catalog) -> tuple[str, ...]:
    needs = [need.name if need.default is None else f"[{need.name}]" for need in template.needs]
    return (
        template.name,
        _grants(template),
        " ".join(needs) or "-",
        template.verified or "-",
        _title(template, catalog),
    )


def _title(template: Template, catalog: Catalog) -> str:
    return f"{template.title} (yours)" if _is_own(template, catalog) else template.title


def _grants(template: Template) -> str:
    return ", ".join(_GRANTS[each] for each in template.grants) or "-"


def _all_of(template: Template, catalog: Catalog) -> Iterator[str]:
    provider = template.provider
    yield _title(template, catalog)
    yield ""
    rows = [
        ("name", template.name),
        *(("also called", ", ".join(template.aliases)) for _ in template.aliases[:1]),
        ("grants", _grants(template)),
        *(("needs", _need(need)) for need in template.needs),
        ("client proves itself by", ", ".join(provider.auth_methods) or "not known"),
        ("verified by", template.verified or "nobody yet"),
        *(("as told by", each) for each in template.source),
        *(("note", template.note) for _ in (template.note,) if template.note),
    ]
    yield from _below(rows)
    yield ""
    yield "Endpoints:"
    yield from _below(
        (name.removesuffix("_endpoint").replace("_", " "), url)
        for name, url in urls_of(provider)
        if name.endswith("_endpoint") or name == "issuer"
    )
    odd = list(oddities(provider))
    if odd:
        yield ""
        yield "What it does its own way:"
        yield from (f"  {line}" for line in odd)
    if template.grants:
        yield ""
        yield "Sign in:"
        yield from (f"  {line}" for line in _logins(template))


def _below(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"  {line}" for line in columns(list(rows))]


def _need(need: Variable) -> str:
    usual = "" if need.default is None else f" (by default {need.default or 'empty'})"
    where = "" if need.environment is None else f", or what {need.environment} says"
    hint = "" if need.hint is None else f"; {need.hint}"
    return f"{need.name}: {need.phrase}{usual}{where}{hint}"


def _logins(template: Template) -> Iterator[str]:
    """Yield a line for each grant with all that it cannot do without."""
    methods = template.provider.auth_methods
    for grant in template.grants:
        words = [
            "grantflow login",
            template.name,
            *(
                f"--set {each.name}={each.name.upper()}"
                for each in template.needs
                if each.default is None
            ),
        ]
        # Without an id, the command registers itself, or takes the one that the provider publishes.
        if template.provider.registration_endpoint is None:
            if template.client_id is None:
                words.append("--client-id ID")
            if methods and ("none" not in methods or grant != "device") and methods != ("none",):
                keys = not any(each.startswith("client_secret") for each in methods)
                words.append("--client-key-file FILE" if keys else "--client-secret-file FILE")
        if template.scope_required and not template.provider.scope:
            words.append("--scope SCOPE")
        if grant != "device":
            words.append(f"--grant {grant}")
        yield " ".join(words)
