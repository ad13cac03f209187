"""`destinations drop`: drop all that is kept of a destination that config.toml no longer names."""

from __future__ import annotations

import typer

from router.cli.client import running_daemon
from router.cli.options import Common, NameInFile, asks, given_before
from router.cli.output import say, say_json


@asks
def destinations_drop(common: Common, context: typer.Context, name: NameInFile) -> None:
    """Drop what is kept of a destination that was removed.

    What waits, dead letters and counts. A destination that config.toml names is refused.

    Examples:
        destinations drop old-crm
    """
    with running_daemon(given_before(context, common)) as admin:
        answer = admin.delete("api", "destinations", name)
    if given_before(context, common).as_json:
        say_json(answer)
    else:
        say(f"{name}: dropped {', '.join(f'{n} {what}' for what, n in answer['dropped'].items())}")
