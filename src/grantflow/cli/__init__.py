"""The ``grantflow`` command: one file a command in ``commands``, what they share beside it.

Rules:

1. A token goes to standard output, and only when it was asked for; so do answers (``status``,
   ``list``, ``--json``). Whatever is said along the way goes to standard error.
2. What went wrong is one line that says what to do; no traceback, no secret.
3. Every command loads only what it uses.
"""
