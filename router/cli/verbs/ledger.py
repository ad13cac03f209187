"""`ledger`: every accepted event counted once at each destination."""

from __future__ import annotations

import typer

from router.cli.counts import check_sums, say_accepted, say_counts
from router.cli.data_source import open_data_source
from router.cli.endpoint import Failed
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_wrapped
from router.cli.removed import removed_lines


@asks
def ledger(common: Common) -> None:
    """Count every accepted event at each destination, by its state.

    The seven states add up to what was accepted since the destination began. Exit code 1 if they do not.

    Examples:
        ledger
        ledger --json
    """
    with open_data_source(common) as data:
        ledger = data.ledger()
    wrong, right = check_sums(ledger)
    if common.as_json:
        say_json(ledger)
        if wrong:
            raise typer.Exit(1)
        return
    say_accepted(ledger)
    say("")
    say_counts(ledger)
    say("")
    for sentence in (*right, *removed_lines(ledger, common)):
        say_wrapped(sentence)
    if wrong:
        raise Failed("\n".join(wrong))
