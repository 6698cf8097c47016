"""Tokens and runs as JSON documents, to keep them somewhere and go on in another process.

``one_step`` goes on with a kept run for as far as it can without waiting.
"""

from grantflow.core.codec import dump_token, load_token
from grantflow.core.flows.run_codec import dump_run, load_run
from grantflow.core.values.json import Members, plain
from grantflow.shell.blocking import one_step

__all__ = ["Members", "dump_run", "dump_token", "load_run", "load_token", "one_step", "plain"]
