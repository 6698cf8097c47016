"""Adapters for HTTP libraries, each with the library's transport."""

from grantflow.core.client.provider import origin_of

__all__ = ["origin_of"]
