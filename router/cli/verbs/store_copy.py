"""`store copy`: copy a store into a new one, while nobody uses either."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.endpoint import Failed
from router.cli.lazy import lazy
from router.cli.options import AsJson
from router.cli.output import say, say_json, say_table
from router.cli.rows_progress import RowsProgress
from router.cli.verbs.backup import interruptible
from router.clock import SystemClock
from router.errors import RouterError
from router.explain.figures import count

if TYPE_CHECKING:
    from router.config import store_url
    from router.store import copy as copies
    from router.store.copy import Address, Copied
else:
    store_url = lazy("router.config.store_url")
    copies = lazy("router.store.copy")

From = Annotated[
    str, typer.Argument(metavar="SOURCE", help="The store that is read: `sqlite:PATH` or `postgresql://...`.")
]
To = Annotated[str, typer.Argument(metavar="TARGET", help="The store that is made: a file or an empty database.")]

SHOWN = ("held", "retrying", "queued", "dead", "delivered", "skipped", "filtered")


def store_copy(source: From, target: To, as_json: AsJson = False) -> None:
    """Copy a store into a new one, while no daemon uses it.

    From a file of SQLite into a database of PostgreSQL, or back. The copy has everything: events, message ids, what is held, dead, retried and replayed, counts, and people who are forgotten or
    suppressed. The source is only read. A copy that was interrupted is no store: no daemon starts on it, and the
    same line begins anew.

    Afterwards set store.url to the target. Never start a daemon on the source again: both would deliver.

    Examples:
        store copy sqlite:var/router.db postgresql://router@db/router
        store copy postgresql://router@db/router sqlite:var/router.db
    """
    read, made = address(source, "SOURCE"), address(target, "TARGET")
    with interruptible(_shown(made)), RowsProgress(SystemClock(), is_silent=as_json) as progress:
        copied = asyncio.run(_copy(read, made, progress))
    if as_json:
        say_json({"accepted": copied.accepted, "rows": dict(copied.rows), "ledger": dict(copied.ledger)})
        return
    say_table(
        ["destination", *SHOWN], [[name, *(row[state] for state in SHOWN)] for name, row in copied.ledger.items()]
    )
    events = count(copied.rows["log"], "event")
    say(f"{_shown(made)} has all of {_shown(read)}: {copied.accepted:,} accepted, {events} of them in the log")
    say("set store.url to it, and start no daemon on the source again")


async def _copy(source: Address, target: Address, progress: RowsProgress) -> Copied:
    try:
        async with copies.open_source(source) as read, copies.open_target(target, SystemClock().now_ms()) as made:
            return await copies.copy(read, made, progress)
    except RouterError as error:
        words = str(error)
        for one in (source, target):
            words = store_url.without_passwords(words, one.dsn) if one.dsn else words
        raise Failed(words) from None


def address(text: str, name: str) -> Address:
    """Where a store is. Raises BadParameter."""
    if store_url.is_database(text):
        _check_database(text, name)
        return copies.Address(None, text, store_url.shown_url(text))
    path = text.removeprefix("sqlite:")
    if path == text or not path:
        words = f"{text!r} is no store: write sqlite:PATH or postgresql://USER@HOST/DATABASE"
        raise typer.BadParameter(words, param_hint=name)
    return copies.Address(Path(path))


def _check_database(text: str, name: str) -> None:
    try:
        store_url.check_database(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from None
    if "pgbouncer=true" in text:
        words = (
            "name the database itself, without pgbouncer=true: a copy keeps a transaction open for as long as it runs"
        )
        raise typer.BadParameter(words, param_hint=name)
    if not store_url.is_asyncpg_installed():
        raise Failed(store_url.INSTALL_POSTGRES)


def _shown(address: Address) -> str:
    return str(address.path or address.shown)
