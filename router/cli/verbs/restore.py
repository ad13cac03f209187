"""`restore`: put a backup of the store back, while no daemon runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.bytes_progress import BytesProgress
from router.cli.endpoint import locate, start_line, store_file
from router.cli.lazy import lazy
from router.cli.options import DEFAULT, AsJson, ConfigFile
from router.cli.output import say, say_json, warn
from router.cli.verbs.backup import interruptible
from router.clock import SystemClock
from router.explain.figures import count

if TYPE_CHECKING:
    from router import backup as backups
    from router.backup.restore import Restored
else:
    backups = lazy("router.backup")

Source = Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` has written.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="There may be a store: it is kept beside as STORE.before-restore-TIME.")
]


def restore(
    file: Source, replace: Replace = False, config: ConfigFile = Path(DEFAULT), as_json: AsJson = False
) -> None:
    """Put a backup in the place of the store. The daemon must not run.

    The file is checked first, and nothing is changed if it is faulty. Events accepted after the backup are not in it. Events delivered
    after it are delivered again, with the same message id. People who were forgotten or suppressed after it are so again before the
    daemon delivers anything, as far as STORE.regulations has them.

    Examples:
        restore /mnt/backups/router.db.20260102T030405Z.tar.zst
        restore before-the-upgrade.tar.zst --replace
    """
    store = store_file(locate(config), "pg_restore --clean --dbname=URL FILE puts back what pg_dump has copied")
    with interruptible(store), BytesProgress(SystemClock(), is_silent=as_json) as progress:
        done = backups.restore(file, store, replace=replace, now_ms=SystemClock().now_ms(), progress=progress)
    if as_json:
        say_json(_described(done, store))
        return
    made = f"{done.about.made_at[:19].replace('T', ' ')} UTC"
    say(f"{store} is the backup of {made}: {count(done.about.events, 'event')}")
    if done.kept:
        say(f"the old store is kept: {done.kept}")
    say(
        f"events accepted after {made} are not in it",
        f"events delivered after {made} will be delivered again, with the same message id",
        f"counts of `report` and the plots since {made} are not in it; what is delivered again is counted again",
    )
    if done.repeated:
        say(f"{count(done.repeated, 'regulation')} after the backup will be repeated before anything is delivered")
    if done.not_repeated:
        warn(
            f"{count(len(done.not_repeated), 'regulation')} beside the store cannot be repeated, because the hashes are not of this store:"
            f" forget or suppress these people again ({', '.join(done.not_repeated[:10])})"
        )
    say(f"start the daemon: {start_line(config)}")


def _described(done: Restored, store: Path) -> dict[str, Any]:
    return {
        "store": str(store),
        "made_at": done.about.made_at,
        "events": done.about.events,
        "kept": str(done.kept) if done.kept else None,
        "regulations_to_repeat": done.repeated,
        "regulations_of_another_store": done.not_repeated,
    }
