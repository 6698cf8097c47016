"""Adapters that put a token on a request, and renew it after a 401: one for each HTTP library."""
