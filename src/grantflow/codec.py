"""Tokens and runs as JSON documents, to keep them somewhere and go on in another process."""

from grantflow.core.codec import dump_token, load_token
from grantflow.core.flows.run_codec import dump_run, load_run
from grantflow.core.values.json import Members, plain

__all__ = ["Members", "dump_run", "dump_token", "load_run", "load_token", "plain"]
