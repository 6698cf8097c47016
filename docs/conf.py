"""How the pages are built: Sphinx, furo and MyST, without a network and without any service.

Rules:

1. A page is Markdown that a forge shows as well. What Sphinx needs beyond that is put in while a
   page is read: Mermaid blocks become SVG (``state_chart``), and a comment such as
   ``<!-- table: providers -->`` a table that is made from the data (``tables``).
2. A name is documented where users import it from. An annotation that names the module in which it
   is defined leads there, too.
3. A name of Python's own library leads to docs.python.org by a rule, so no inventory is fetched.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from attrs import NOTHING, fields_dict, has
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

sys.path.insert(0, str(Path(__file__).parent))

import state_chart
import tables

project = "grantflow"
author = "The grantflow authors"
project_copyright = author
version = release = version_of("grantflow")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "examples"]

nitpicky = True
nitpick_ignore_regex = [
    # Types of the rooms inside, which users meet in signatures and do not name.
    ("py:class", r"grantflow\.(core|shell|providers)\..+|[A-Z]\w*"),
    # Libraries whose reference is elsewhere.
    ("py:class", r"(httpx|hypothesis|redis|requests|returns)\..+|datetime"),
    # The variables of generic types.
    ("py:class", r"(grantflow\..+\.)?[AS]"),
    # What a library's own objects fulfil, and nobody else has to.
    ("py:class", r"grantflow\.shell\.(signing\.signer\.Readable|stores\.\w+\.(Backend|Commands))"),
]

html_theme = "furo"
html_title = "grantflow"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_type_aliases = {name.rpartition(".")[2]: f"~{name}" for name in tables.ALIASES}
maximum_signature_line_length = 90

_ALIAS = re.compile(r"TypeAliasForwardRef\('(?P<name>[^']+)'\)")
_DEFAULT = re.compile(r"attr_dict\['(?P<name>\w+)'\]\.default|\bNOTHING\b")
_STANDARD = re.compile(r"(?P<module>collections\.abc|contextlib|datetime|pathlib|typing)\.\w+")
# attrs keeps this annotation as a text that names no module.
_BARE = {"timedelta": "datetime.timedelta"}


def put_in(_app: Sphinx, _docname: str, source: list[str]) -> None:
    """Put drawings and tables into a page that was just read (rule 1)."""
    source[0] = tables.filled(state_chart.drawn(source[0]))


def readable(
    _app: Sphinx,
    _what: str,
    _name: str,
    item: object,
    _options: object,
    shown: str | None,
    returns: str | None,
) -> tuple[str | None, ...]:
    """Show the defaults of an attrs class, not the name that its constructor has for them.

    A protocol is made by nobody, so it has no signature. Within a union Sphinx shows a class of its
    own in place of an alias.
    """
    if getattr(item, "_is_protocol", False):
        return "", None
    if isinstance(item, type) and has(item) and shown:
        known = fields_dict(item)

        def default(found: re.Match[str]) -> str:
            value = NOTHING if found["name"] is None else known[found["name"]].default
            return "..." if value is NOTHING or hasattr(value, "factory") else repr(value)

        shown = _DEFAULT.sub(default, shown)
    return tuple(text and _ALIAS.sub(r"\g<name>", text) for text in (shown, returns))


def resolved(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """Find what an annotation names by its home (rules 2 and 3)."""
    if node.get("refdomain") != "py":
        return None
    named = str(node["reftarget"])
    target = _BARE.get(named, named)
    if standard := _STANDARD.match(target):
        url = f"https://docs.python.org/3/library/{standard['module']}.html#{target}"
        return nodes.reference("", "", content, refuri=url, internal=False)
    domain = env.domains.python_domain
    last = target.rpartition(".")[2]
    homes = [name for name in domain.objects if name.rpartition(".")[2] == last]
    if not homes or not target.startswith(("grantflow.", last)):
        return None
    home = min(homes, key=len)  # where users import it from
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, content)


def setup(app: Sphinx) -> None:
    """Register the rules."""
    app.connect("source-read", put_in)
    app.connect("autodoc-process-signature", readable)
    app.connect("missing-reference", resolved)
