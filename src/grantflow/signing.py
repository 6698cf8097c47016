"""Signing requests: what a driver of your own wraps its transport in, and DPoP keys."""

from grantflow.shell.signing.key_file import kept_dpop_key
from grantflow.shell.signing.signer import Signer, dpop_key, signed

__all__ = ["Signer", "dpop_key", "kept_dpop_key", "signed"]
