"""Secrets that are read when they are needed: from a file, or from a command's output."""

from grantflow.shell.secret_sources import SecretError, from_command, from_file

__all__ = ["SecretError", "from_command", "from_file"]
