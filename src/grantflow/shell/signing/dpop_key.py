"""Keys for proofs of possession (RFC 9449): created, read, or kept in a file.

Rules for the file:

1. It is for its owner alone, and written whole, under a lock: of several processes that want a key
   at the same moment, one creates it and all get it.
2. A file that holds no key is left as it is: tokens are bound to what may be left of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grantflow.core.client.dpop import DPoP
from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret, secret
from grantflow.shell.signing.keys import Sign, algorithms, private_key
from grantflow.shell.stores.private_file import NotAFileError, PrivateFile

if TYPE_CHECKING:
    from joserfc.jwk import Key

_KINDS: Final = ("EC", "OKP", "RSA")
_MISSING: Final = "a DPoP key needs the joserfc library: pip install 'grantflow[jwt]'"


def dpop_key(
    key: Secret | str | Sign | None = None,
    *,
    public: Mapping[str, object] | None = None,
    alg: str | None = None,
    required: bool = True,
) -> DPoP:
    """Return a key for proofs of possession.

    ``key`` is a private PEM or JWK text, or a function that signs bytes (an HSM) with its
    ``public`` JWK beside it. Without one, a key for P-256 is created; it lives as long as the
    value, so a token that outlives the process needs a key that does (``kept_dpop_key``). ``alg``
    is what suits the key. ``required=False`` takes a bearer token as well (RFC 9449 section 5).
    ``ValueError`` names what is unusable, and never shows it; ``ImportError`` says that joserfc is
    missing.

    >>> dpop_key().alg
    'ES256'
    >>> x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    >>> key = dpop_key(lambda data: data, public={"kty": "OKP", "crv": "Ed25519", "x": x})
    >>> key.alg, key.thumbprint
    ('EdDSA', 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
    """
    if callable(key):
        return _of(key, _public(public), alg, required=required)
    if public is not None:
        raise ValueError("public: only a key that is a function needs its public JWK")
    text = _new() if key is None else secret(key)
    found = private_key(text, *_KINDS)
    if isinstance(found, str):
        raise ValueError(f"key: it cannot be read as a private key ({found}): a PEM or JWK text")
    return _of(_jwk(found), found, alg, required=required)


def kept_dpop_key(path: str | Path, *, required: bool = True) -> DPoP:
    """Return the key in the file ``path``, a private JWK or PEM text; without a file, create it.

    Servers that are shown one key can recognize its user together, so use a file for each of them.
    ``required`` is that of ``dpop_key``.
    ``ValueError`` says that the file holds no private key, ``StoreError`` that it cannot be read or
    written, ``ImportError`` that joserfc is missing.
    """
    place = Path(path)
    text = _read(place)
    if text is None:
        with PrivateFile(place).locked():
            text = _read(place)  # another process may have been quicker
            if text is None:
                text = _create(place)
    try:
        return dpop_key(text, required=required)
    except ValueError as error:
        problem = str(error).removeprefix("key: ")
    # Raised here, where no traceback holds a frame that saw the text of the key.
    raise ValueError(
        f"{place}: {problem}; put the key back, or move the file away: a new one is created then, "
        "and tokens that were bound to the old one are lost"
    )


def _of(key: Secret | Sign, found: Key, alg: str | None, *, required: bool) -> DPoP:
    suited = algorithms(found)
    if not suited:
        raise ValueError("key: no algorithm signs with a key of its kind or curve")
    if alg is not None and alg not in suited:
        raise ValueError(f"alg: this key signs with {', '.join(suited)}")
    return DPoP(
        key=key,
        public=Members(_public_members(found.as_dict(private=False))),
        alg=alg or suited[0],
        thumbprint=found.thumbprint(),
        required=required,
    )


def _public(members: Mapping[str, object] | None) -> Key:
    if members is None:
        raise ValueError("public: a key that is a function needs its public JWK beside it")
    try:
        from joserfc.jwk import JWKRegistry
    except ImportError as error:
        raise ImportError(_MISSING) from error
    try:
        found = JWKRegistry.import_key(_public_members(members))
        found.get_op_key("verify")
    except Exception as error:  # noqa: BLE001 - three libraries parse any text
        raise ValueError(f"public: it is no public JWK ({type(error).__name__})") from None
    if found.key_type not in _KINDS:
        raise ValueError(f"public: a JWK of kind {', '.join(_KINDS)} is needed")
    return found


def _public_members(jwk: Mapping[str, object]) -> dict[str, str | list[str]]:
    """Return what may be shown (RFC 7518 section 6): no private part, and no other member."""
    names = ("kty", "crv", "x", "y", "n", "e")
    return {name: str(jwk[name]) for name in names if name in jwk}


def _jwk(key: Key) -> Secret:
    return Secret(json.dumps(key.as_dict(private=True)))


def _new() -> Secret:
    try:
        from joserfc.jwk import ECKey
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return _jwk(ECKey.generate_key("P-256"))


def _read(place: Path) -> Secret | None:
    try:
        data = PrivateFile(place).read()
    except NotAFileError as error:
        raise ValueError(f"{place}: it is {error}, and a file with a key is needed") from None
    return None if data is None else Secret(data.decode("utf-8", "replace"))


def _create(place: Path) -> Secret:
    key = _new()
    PrivateFile(place).write(key)
    return key
