"""An entry of DagsHub's file as a node of YAML, and the token that it is.

Nodes only: no value is ever made of a tag, and a time stays the text that it is. No node shows its
text, for that may be a token, and a report of an error shows every local variable.
"""

from __future__ import annotations

from typing import Final, TypeGuard, final

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from grantflow import Secret
from grantflow.codec import load_token
from grantflow.compat.dagshub.token_auth import AppDagshubToken, KeptToken, OAuthDagshubToken

_TAG: Final = "tag:yaml.org,2002:"
_MOST_BRACKETS: Final = 1000
_TEXTS: Final = tuple(f"{_TAG}{kind}" for kind in ("str", "int", "float", "timestamp"))


@final
class _Text(ScalarNode):
    def __repr__(self) -> str:
        return f"ScalarNode(tag={self.tag!r})"


@final
class _Loader(yaml.SafeLoader):
    def compose_scalar_node(self, anchor: dict[object, Node]) -> ScalarNode:
        node = super().compose_scalar_node(anchor)
        node.__class__ = _Text
        return node


def composed(data: bytes | None) -> Node | str | None:
    """Return the tree of a document, ``None`` where there is none, or what is wrong with it."""
    # PyYAML takes quadratic time for brackets, and a file of tokens has none.
    if data is not None and data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
        return "it is no YAML document"
    try:
        return None if data is None else yaml.compose(data, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return "it is no YAML document"


def serialized(root: Node) -> Secret:
    """Return a tree as plain ASCII."""
    return Secret(yaml.serialize(root, Dumper=yaml.SafeDumper))


def token_of(entry: Node) -> KeptToken | None:
    """Return the token that an entry is, ``None`` for what cannot be read."""
    if not is_mapping(entry):
        return None
    found = {text_of(key): text_of(value) for key, value in entry.value}
    kind, text, end = (found.get(name) for name in ("token_type", "access_token", "expiry"))
    document = {"version": 1, "access_token": text, "expires_at": end}
    token = load_token(document).value_or(None)
    if token is None:
        return None
    match kind:
        case "app-token":
            return AppDagshubToken(token.access_token)
        case "bearer" if end == "never":
            return OAuthDagshubToken(token.access_token)
        case "bearer" if token.expires_at is not None:
            return OAuthDagshubToken(token.access_token, token.expires_at)
        case _:
            return None


def entry_of(token: KeptToken) -> MappingNode:
    """Return the entry of a token as the original writes it."""
    return mapping([(scalar(name), scalar(text)) for name, text in token.serialize().items()])


def text_of(node: Node) -> str | None:
    """Return the text of a scalar as it stands there; ``None`` for everything else."""
    value: object = node.value if isinstance(node, ScalarNode) and node.tag in _TEXTS else None
    return value if isinstance(value, str) else None


def is_mapping(node: Node) -> TypeGuard[MappingNode]:
    """Tell whether a node is a mapping, and no object of some class."""
    return isinstance(node, MappingNode) and node.tag == f"{_TAG}map"


def is_list(node: Node) -> TypeGuard[SequenceNode]:
    """Tell whether a node is a list, and no call of some function."""
    return isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq"


def is_null(node: Node) -> bool:
    """Tell whether a node says nothing."""
    return node.tag == f"{_TAG}null"


def scalar(text: str) -> ScalarNode:
    """Return text as a node, which is quoted where it would be read as something else."""
    return _Text(f"{_TAG}str", text)


def listed(entries: list[Node]) -> SequenceNode:
    """Return a list of entries."""
    return SequenceNode(f"{_TAG}seq", entries, flow_style=False)


def mapping(pairs: list[tuple[ScalarNode, ScalarNode]]) -> MappingNode:
    """Return a mapping."""
    return MappingNode(f"{_TAG}map", pairs, flow_style=False)
