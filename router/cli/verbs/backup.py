"""`backup`: make a backup of the store, whether the daemon runs or not."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.bytes_progress import BytesProgress
from router.cli.endpoint import Failed, locate, program, store_file
from router.cli.lazy import lazy
from router.cli.options import DEFAULT, AsJson, ConfigFile, config_hint
from router.cli.output import say, say_json, warn
from router.clock import SystemClock
from router.durable import why_refused
from router.explain.figures import count

if TYPE_CHECKING:
    from router import backup as backups
    from router.backup.back_up import Made, Target
else:
    backups = lazy("router.backup")

Where = Annotated[
    str, typer.Argument(metavar="FILE|FOLDER", help="Where to. In a folder it gets a name with the time (UTC).")
]
Keep = Annotated[
    int | None,
    typer.Option(
        "--keep", metavar="N", min=1, help="Of the folder's backups keep the newest N. The folder is made if needed."
    ),
]


Replace = Annotated[bool, typer.Option("--replace", help="Replace the backup FILE.")]


def backup(
    target: Where,
    keep: Keep = None,
    replace: Replace = False,
    config: ConfigFile = Path(DEFAULT),
    as_json: AsJson = False,
) -> None:
    """Make a backup of the store, also while the daemon runs.

    The backup has the store and the regulations beside it, compressed (zstd). It is read again before it gets its name. It has every
    event, so only its owner may read it. config.toml, plugins and files with secrets are not in it.

    Examples:
        backup /mnt/backups
        backup /mnt/backups --keep 14
        backup before-the-upgrade.tar.zst --json
    """
    endpoint = locate(config)
    store = store_file(endpoint, "pg_dump --format=custom --file=FILE URL makes a copy of a database")
    where = _target(target, keep, replace)
    with interruptible(where.path), BytesProgress(SystemClock(), is_silent=as_json) as progress:
        made = backups.back_up(store, where, SystemClock().now_ms(), endpoint.min_free_bytes, progress)
    if not made.is_noted:
        warn(f"the daemon does not know of it: {store.parent} cannot be written by this user")
    if made.removal.failed:
        warn(f"older backups are still there, so the disk fills up: {made.removal.failed}")
    if as_json:
        say_json(_described(made))
        return
    about = made.about
    say(f"{made.file}: {count(about.events, 'event')} as of {about.made_at[:19].replace('T', ' ')} UTC")
    say(f"{about.bytes:,} bytes of store, {made.size:,} in the file; it was read again and is whole")
    say(*(f"removed {path}" for path in made.removal.removed))
    say(f"to put it back: {program()} restore {made.file}{config_hint(config)}")


def _target(words: str, keep: int | None, replace: bool) -> Target:
    """Where it goes. Raises BadParameter where the name and the options do not agree."""
    path = Path(words)
    if not words:  # a variable of a script that is not set, and not the folder in which it runs
        raise typer.BadParameter("it is empty: name a file or a folder", param_hint="FILE|FOLDER")
    is_folder = keep is not None or path.is_dir() or words.endswith("/")
    if is_folder and not path.is_dir() and (path.is_file() or path.name.endswith(backups.SUFFIX)):
        is_for = "--keep is for a folder" if keep is not None else "the / at its end is that of a folder"
        raise typer.BadParameter(f"{words} is the name of a file, and {is_for}", param_hint="FILE|FOLDER")
    return backups.Target(path, is_folder, keep or 0, replace)


def _described(made: Made) -> dict[str, Any]:
    about = made.about
    return {
        "file": str(made.file),
        "bytes": made.size,
        "made_at": about.made_at,
        "events": about.events,
        "store_bytes": about.bytes,
        "schema": about.schema,
        "ledger": about.ledger,
        "removed": [str(path) for path in made.removal.removed],
        "not_removed": made.removal.failed,
    }


@contextmanager
def interruptible(target: Path | str) -> Iterator[None]:
    """SIGTERM ends the work as Ctrl-C does, so nothing is left behind. What is written is nobody else's affair. Raises Failed where the
    machine refuses something.

    Args:
        target: what is written, for an error that names no file: a full disk is met when bytes are written.
    """

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    umask, former = os.umask(0o077), signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except OSError as error:
        remedy = "make room, or use another disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        if isinstance(error, PermissionError) and error.filename:
            remedy = why_refused(Path(error.filename))
        raise Failed(f"{error.filename or target}: {error.strerror or error}{remedy and f'; {remedy}'}") from None
    finally:
        signal.signal(signal.SIGTERM, former)
        os.umask(umask)
