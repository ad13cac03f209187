"""The command line: one verb per thing an operator does.

    segment-router VERB ... -> ask or change the running daemon (client.py), or read its store while it is down (data_source.py)

`main.py` has the list of verbs; each is a file in `verbs/`.
"""

from router.cli.main import app, main

__all__ = ["app", "main"]
