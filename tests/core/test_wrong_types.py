"""Arguments of a wrong type: ``TypeError`` names the argument, and never shows what was given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import AttrsInstance, fields

from grantflow import (
    Client,
    ClientAssertion,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretJwt,
    ClientSecretPost,
    MutualTls,
    PrivateKeyJwt,
    Provider,
    RequestFormat,
    ResponseFormat,
)

URL = "https://acme.example/token"
ACME = Provider(name="acme", token_endpoint=URL)
SECRET = "hunter2hunter2"


class Hidden:
    """Of no type that any argument takes; whoever shows it shows the secret."""

    def __repr__(self) -> str:
        return SECRET


NEEDED: dict[type[AttrsInstance], dict[str, object]] = {
    Client: {"provider": ACME, "client_id": "app"},
    Provider: {"name": "acme", "token_endpoint": URL},
    RequestFormat: {},
    ResponseFormat: {},
    ClientSecretBasic: {"secret": "s"},
    ClientSecretPost: {"secret": "s"},
    ClientSecretHeaders: {"secret": "s"},
    ClientSecretJwt: {"secret": "s"},
    PrivateKeyJwt: {"key": "PEM"},
    ClientAssertion: {"source": lambda: "eyJ"},
    MutualTls: {"certificate": "cert.pem"},
}
ARGUMENTS = [(kind, each.name) for kind in NEEDED for each in fields(kind)]


@pytest.mark.parametrize(
    ("kind", "name"), ARGUMENTS, ids=lambda each: getattr(each, "__name__", each)
)
@pytest.mark.parametrize(
    "wrong", [Hidden(), [Hidden()], {"a": Hidden()}], ids=lambda each: type(each).__name__
)
def test_a_wrong_type_is_named_and_not_shown(
    kind: Callable[..., object], name: str, wrong: object
) -> None:
    with pytest.raises(TypeError, match=f"^{name}: ") as caught:
        kind(**{**NEEDED[kind], name: wrong})  # type: ignore[index]
    assert SECRET not in str(caught.value)


def test_text_is_no_way_to_authenticate() -> None:
    with pytest.raises(TypeError, match="^authentication: a way to authenticate is needed") as it:
        Client(provider=ACME, client_id="app", authentication=SECRET)  # type: ignore[arg-type]
    assert SECRET not in str(it.value)
