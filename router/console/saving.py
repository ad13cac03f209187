"""A change that somebody said yes to: checked again, written, put in force. All of it, or nothing.

The secrets' files are written first and config.toml last, so a crash leaves a config.toml that is whole: the old one, or the new one with
its secrets. A reload that is refused after the write takes all of it back.
"""

from __future__ import annotations

import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from router.console.console import Console
from router.console.edits import Edit, Saved
from router.editing.config_file import (
    Conflict,
    FileText,
    NotWritable,
    alone,
    put_back,
    read_text,
    replace,
    write_secret,
)
from router.errors import CommandRefused, ConfigError, ConfirmationRequired, RestartRequired, StoreError
from router.in_thread import in_thread

REFUSALS = (ConfigError, RestartRequired, ConfirmationRequired, CommandRefused)
"""Of a reload; nothing was changed then."""


class _Undo(NamedTuple):
    """What was there before a write, and the hash of what is there now."""

    text: str
    written_hash: str
    secrets: dict[Path, bytes | None]


async def say_yes(console: Console, id: str, edit: Edit) -> Saved:
    """Save a change of this id. It goes on when the browser goes away, whose next page tells what came of it."""

    async def saved() -> Saved:
        result = await save(console, edit)
        console.edits.note(id, result)
        return result

    return await console.saves.run(id, saved)


async def save(console: Console, edit: Edit) -> Saved:
    """Write a change and put it in force. One at a time."""
    daemon, path, part = console.daemon, console.daemon.config.path, console.saves.part
    async with console.edits.writing:
        try:
            plan = await part(daemon.preview(edit.proposal))
        except CommandRefused as error:
            return Saved("refused", [str(error)])
        if plan.code:
            return Saved("refused", plan.problems)
        try:
            undo = await in_thread(_write, path, edit)
        except Conflict as error:
            return Saved("conflict", [str(error)])
        except NotWritable as error:
            return Saved("not_writable", [str(error)])
        console.log.emit(
            "config_edited",
            destination=edit.destination,
            action=edit.action,
            keys=list(edit.keys),
            files=[str(file) for file in edit.proposal.secrets],
            via="console",
        )
        try:
            await part(daemon.reload(is_confirmed=False, via="console"))
        except BaseException as error:  # whatever it is, the file must not hold what is not active
            saved = await in_thread(_taken_back, path, undo, error)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, (*REFUSALS, StoreError)):  # the store tells of its own faults
                console.log.emit("internal_error", reason="console", detail=traceback.format_exc())
            return saved
    return Saved("saved", [])


def _write(path: Path, edit: Edit) -> _Undo:
    """Raises Conflict or NotWritable; then nothing was changed."""
    with alone(path):
        before = _read(path)
        if before.hash != edit.read_hash:
            raise Conflict(f"{path.name} was changed since you read it; nothing was written")
        secrets: dict[Path, bytes | None] = {}
        try:
            for file, secret in edit.proposal.secrets.items():
                secrets[file] = write_secret(file, secret)
            is_same = before.text == edit.proposal.text
            written = before.hash if is_same else replace(path, edit.proposal.text, before.hash)
        except BaseException:
            _put_back_all(secrets)
            raise
    return _Undo(before.text, written, secrets)


def _read(path: Path) -> FileText:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise NotWritable(f"{path} cannot be read: {error}") from error


def _taken_back(path: Path, undo: _Undo, error: BaseException) -> Saved:
    """Everything as it was before the write, because of this error of the reload."""
    problems = getattr(error, "problems", None) or [str(error) or type(error).__name__]
    try:
        with alone(path):
            replace(path, undo.text, undo.written_hash)
            _put_back_all(undo.secrets)
    except (Conflict, NotWritable, OSError) as fault:
        return Saved("kept", [*problems, str(fault)])
    return Saved("taken_back" if isinstance(error, REFUSALS) else "failed", problems)


def _put_back_all(secrets: dict[Path, bytes | None]) -> None:
    """All of them, also where one cannot be. Raises OSError then."""
    with ExitStack() as stack:
        for file, before in secrets.items():
            stack.callback(put_back, file, before)
