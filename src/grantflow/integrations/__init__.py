"""Adapters for HTTP libraries, each with the library's transport."""
