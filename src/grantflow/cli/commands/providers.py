"""``grantflow providers``: list the known providers, show one as TOML, or check a file of them."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, final

from attrs import evolve

from grantflow.cli.context import Context
from grantflow.cli.errors import FAILED, usage
from grantflow.cli.login import resolve
from grantflow.cli.output import answer, columns, counted, tell, warn
from grantflow.cli.parser import Parser
from grantflow.core.client.identity import Grant
from grantflow.core.structure import unstructure
from grantflow.providers import Catalog, Template, Variable, document_of
from grantflow.shell.provider_file import check, own_file


@final
class Options(Namespace):
    """What the command line says."""

    name: str | None
    file: str | None
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
    "grantflow providers check mine.toml",
    "",
    "# mine.toml, or providers.toml in the data directory; both override the built-in ones",
    *_OWN,
)

_GRANTS: Final = {"device": "device", "client_credentials": "client credentials"}


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("providers", "List the known providers, or show one as TOML.", _EXAMPLES)
    made.add_argument("name", metavar="NAME", nargs="?", help="show this one; check, with FILE")
    made.add_argument("file", metavar="FILE", nargs="?", help="after check: a TOML file to check")
    made.add_argument(
        "--provider-file",
        metavar="FILE",
        help="a TOML file with your own providers, which override the built-in ones",
    )
    made.add_argument("--json", action="store_true", help="print JSON: a list, or one object")
    return made


def main(argv: Sequence[str], context: Context) -> int:  # noqa: ARG001
    """Run the command."""
    options = parser().read(argv, Options())
    if options.file is not None:
        return _check(options.name, options.file)
    catalog = resolve.catalog(options.provider_file)
    if options.name is None:
        found = [catalog.template(name) for name in catalog.names()]
        if options.json:
            answer(json.dumps([_members(each, catalog) for each in found]))
            return 0
        for line in columns([_HEAD, *(_row(each, catalog) for each in found)]):
            answer(line)
        tell()
        tell("A value in brackets has a default. To show one as TOML: grantflow providers NAME")
        tell(f"Your own providers are tables in {own_file()}")
        return 0
    template = resolve.template(catalog, options.name)
    if options.json:
        answer(json.dumps(_members(template, catalog)))
    else:
        for line in _described(template):
            answer(line)
    return 0


def _check(word: str | None, file: str) -> int:
    if word != "check":
        raise usage(
            f"unexpected argument {file!r}", "to check a file: grantflow providers check FILE"
        )
    mistakes = check(Path(file))
    for mistake in mistakes:
        warn(mistake)
    if not mistakes:
        tell(f"{file} is valid.")
        return 0
    tell(f"{counted(len(mistakes), 'mistake')}.")
    return FAILED


def _members(template: Template, catalog: Catalog) -> dict[str, object]:
    return {
        "name": template.name,
        "title": template.title,
        "aliases": list(template.aliases),
        "grants": list(template.grants),
        "required": {each: list(template.required_for(each)) for each in template.grants},
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
        "own": catalog.is_own(template.name),
        "source": list(template.source),
        "verified": template.verified,
        "note": template.note,
        "git_user": template.git_user,
        "provider": document_of(template.provider),
    }


_HEAD: Final = ("NAME", "GRANTS", "VALUES", "VERIFIED BY", "PROVIDER")


def _row(template: Template, catalog: Catalog) -> tuple[str, ...]:
    needs = [need.name if need.default is None else f"[{need.name}]" for need in template.needs]
    title = f"{template.title} (yours)" if catalog.is_own(template.name) else template.title
    verified = template.verified or "-"
    return (template.name, _grants(template), " ".join(needs) or "-", verified, title)


def _grants(template: Template) -> str:
    return ", ".join(_GRANTS[each] for each in template.grants) or "-"


def _described(template: Template) -> Iterator[str]:
    """Yield the provider as the TOML that a user could paste, and how to sign in."""
    yield f"# {template.title}; grants: {_grants(template)}"
    for need in template.needs:
        yield f"# --set {need.name}=...: {_need(need)}"
    yield from (f"# {line}" for line in _logins(template))
    yield ""
    yield from toml_of(template)


def toml_of(template: Template) -> Iterator[str]:
    """Yield a template as a table of TOML, a key a line."""
    yield f"[{_key(template.name)}]"
    about = unstructure(evolve(template, needs=()))
    needs = {need.name: unstructure(need) for need in template.needs}
    more = {
        name: {key: value for key, value in said.items() if key != "name"}
        for name, said in needs.items()
    }
    document = {
        **{key: value for key, value in about.items() if key not in ("provider", "discovers")},
        **document_of(template.provider),
    }
    if template.discovers:
        del document["token_endpoint"]
    for key, value in document.items():
        yield f"{_key(key)} = {_toml(value)}"
    for name, said in more.items():
        if said:
            yield f"needs.{_key(name)} = {_toml(said)}"


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            return f"{{ {', '.join(f'{_key(str(key))} = {_toml(value[key])}' for key in value)} }}"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)


def _need(need: Variable) -> str:
    usual = "" if need.default is None else f" (default: {need.default or 'empty'})"
    where = "" if need.environment is None else f", or ${need.environment}"
    hint = "" if need.hint is None else f"; {need.hint}"
    return f"{need.phrase}{usual}{where}{hint}"


def _logins(template: Template) -> Iterator[str]:
    """Yield a line for each grant, with everything that it needs; else one that only renews."""
    for grant in template.grants:
        more = () if grant == "device" else (f"--grant {grant}",)
        yield " ".join((*_login(template, grant), *more))
    if not template.grants:
        yield " ".join((*_login(template, "device"), "--refresh-token-stdin"))


def _login(template: Template, grant: Grant) -> Iterator[str]:
    yield "grantflow login"
    yield template.name
    for need in template.needs:
        if need.default is None:
            yield f"--set {need.name}={need.name.upper()}"
    # Without an id, the command registers itself, or uses the one that the provider publishes.
    if template.provider.registration_endpoint is None:
        methods = template.methods_for(grant)
        if template.client_id is None:
            yield "--client-id ID"
        if methods and ("none" not in methods or grant != "device") and methods != ("none",):
            keys = not any(each.startswith("client_secret") for each in methods)
            yield "--client-key-file FILE" if keys else "--client-secret-file FILE"
    for each in template.required_for(grant):
        yield f"--{each} {each.upper()}"
