"""Signing: client assertions, proofs of possession, and the keys for them."""
