"""Tokens in a real redis and a real Secret Service."""
