"""A change that somebody said yes to: checked again, written, put in force. All of it, or nothing.

The secrets' files are written first and config.toml last, so a crash leaves a config.toml that is whole: the old one, or the new one with
its secrets. A reload that is refused after the write takes all of it back.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from router.console.console import Console
from router.console.edits import Edit
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
from router.errors import CommandRefused, ConfigError, ConfirmationRequired, RestartRequired


class Saved(NamedTuple):
    """What came of it. `code`: saved, conflict, not_writable, refused (nothing was written), taken_back (after a refused reload) or
    kept (the same, but it could not be taken back)."""

    code: str
    problems: list[str]


class _Undo(NamedTuple):
    """What was there before a write, and the hash of what is there now."""

    text: str
    written_hash: str
    secrets: dict[Path, bytes | None]


async def save(console: Console, edit: Edit) -> Saved:
    """Write a change and put it in force. One at a time."""
    daemon, path = console.daemon, console.daemon.config.path
    async with console.edits.writing:
        plan = await daemon.preview(edit.proposal)
        if plan.code:
            return Saved("refused", plan.problems)
        try:
            undo = await asyncio.to_thread(_write, path, edit)
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
            await daemon.reload(is_confirmed=False, via="console")
        except (ConfigError, RestartRequired, ConfirmationRequired) as error:
            return await asyncio.to_thread(_taken_back, path, undo, error.problems)
        except CommandRefused as error:
            return await asyncio.to_thread(_taken_back, path, undo, [str(error)])
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
        except (Conflict, NotWritable):
            _put_back_all(secrets)
            raise
    return _Undo(before.text, written, secrets)


def _read(path: Path) -> FileText:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise NotWritable(f"{path} cannot be read: {error}") from error


def _taken_back(path: Path, undo: _Undo, problems: list[str]) -> Saved:
    """Everything as it was before the write."""
    try:
        with alone(path):
            replace(path, undo.text, undo.written_hash)
            _put_back_all(undo.secrets)
    except (Conflict, NotWritable, OSError) as error:
        return Saved("kept", [*problems, str(error)])
    return Saved("taken_back", problems)


def _put_back_all(secrets: dict[Path, bytes | None]) -> None:
    for file, before in secrets.items():
        put_back(file, before)
