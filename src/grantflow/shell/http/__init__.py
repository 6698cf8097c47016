"""Transports: a request value to an HTTP answer, or to a fault."""
