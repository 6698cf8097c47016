"""Signing requests: what a driver of your own wraps its transport in, and DPoP keys."""

from grantflow.shell.signing.dpop_key import dpop_key, kept_dpop_key
from grantflow.shell.signing.signed import signed
from grantflow.shell.signing.signer import Signer

__all__ = ["Signer", "dpop_key", "kept_dpop_key", "signed"]
