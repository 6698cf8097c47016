"""The proof of possession beside a token on a call (RFC 9449 section 7).

Rules:

1. Each call gets a proof of its own, for its method and its URL without the query.
2. A nonce belongs to the origin that gave it; the newest one counts (section 8.2).
3. A bearer token goes without a proof, whatever key there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from grantflow.core.client.provider import origin_of
from grantflow.core.flows.dpop import usable
from grantflow.core.flows.states import Failed
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.request import Proof
from grantflow.core.values.response import Fault
from grantflow.core.values.token import Token
from grantflow.shell.auth.provider import Known
from grantflow.shell.sources.results import GrantError

if TYPE_CHECKING:
    from grantflow.shell.signing.signer import Signer

HEADER: Final = "DPoP"
NONCE: Final = "DPoP-Nonce"


@final
class Proofs:
    """Signs for one source, and remembers the nonce of each origin."""

    def __init__(self, known: Known) -> None:
        self._source = known
        self._signer: Signer | None = None
        self._nonces: dict[str | None, str] = {}

    @property
    def signs(self) -> bool:
        """Tell whether there is a key to sign with."""
        return self._source.dpop is not None

    @property
    def slow(self) -> bool:
        """Tell whether signing may take its time: a function of the caller's does it."""
        key = self._source.dpop
        return key is not None and callable(key.key)

    def header(self, method: str, url: str, token: Token) -> str | None:
        """Return the header of a call; ``GrantError`` where the key cannot be reached."""
        key = self._source.dpop
        if key is None or token.token_type.lower() != "dpop":
            return None
        proof = Proof(key, self._nonces.get(origin_of(url)), token.access_token)
        try:
            return self._sign().prove(method, url, proof).reveal()
        except OSError as error:
            fault = Fault("other", "no", f"the key could not sign: {error}"[:200])
        raise GrantError(Failed(Unreachable(fault, 1)))

    def _sign(self) -> Signer:
        if self._signer is None:
            from grantflow.shell.signing.signer import Signer

            self._signer = Signer(self._source.clock)
        return self._signer

    def heard(self, url: str, nonce: str | None) -> None:
        """Remember the nonce that an answer brought."""
        if (known := usable(nonce)) is not None:
            self._nonces[origin_of(url)] = known
