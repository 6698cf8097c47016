"""A key for proofs of possession that outlives the process: made once, and kept in a file.

Rules:

1. It is for its owner alone, and written whole, under a lock: of several processes that want a key
   at the same moment, one makes it and all get it.
2. A file that holds no key is left as it is: tokens are bound to what may be left of it.
"""

from __future__ import annotations

from pathlib import Path

from grantflow.core.client.dpop import DPoP
from grantflow.core.values.secret import Secret
from grantflow.shell.signing.keys import dpop_key, new_key
from grantflow.shell.signing.signer import check_key
from grantflow.shell.stores.private_file import (
    NotAFileError,
    locked,
    read_private,
    told,
    write_private,
)


def kept_dpop_key(path: str | Path, *, required: bool = True) -> DPoP:
    """Return the key that ``path`` keeps, a private JWK or PEM text; where none is, one is made.

    Who shows one key to two servers can be recognized by them; so use a file for each of them.
    ``required`` is that of ``DPoP``.
    ``ValueError`` says that the file holds no private key, ``StoreError`` that it cannot be read or
    written, ``ImportError`` that joserfc is missing.
    """
    place = Path(path)
    found = _kept(place)
    if found is None:
        with locked(place):
            found = _kept(place)  # another process may have been quicker
            if found is None:
                found = _new(place)
    return _usable(found, place, required=required)


def _kept(place: Path) -> Secret | None:
    try:
        with told(f"cannot read {place}"):
            data = read_private(place)
    except NotAFileError as error:
        raise ValueError(f"{place}: it is {error}, and a file with a key is needed") from None
    return None if data is None else Secret(data.decode("utf-8", "replace"))


def _new(place: Path) -> Secret:
    key = new_key()
    with told(f"cannot write {place}"):
        write_private(place, key)
    return key


def _usable(text: Secret, place: Path, *, required: bool) -> DPoP:
    try:
        made = dpop_key(text, required=required)
        check_key(made)
    except ValueError as error:
        problem = str(error).removeprefix("key: ")
    else:
        return made
    # Raised here, where no traceback holds a frame that saw the text of the key.
    raise ValueError(
        f"{place}: {problem}; put the key back, or move the file away: a new one is made then, and "
        "what was bound to the old one is lost"
    )
