"""What others can get at: files that every user of the machine may read, and an admin token that can be guessed. Warnings only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from router.config.model import AdminConfig, ConfigWarning
from router.durable import others_can_read

READ, WRITE, ENTER = 4, 2, 1
"""Rights, as the mode of a file has them. To enter a folder is to run a file."""
MIN_TOKEN = 16
"""Characters of an admin token that can be reached from outside."""


def exposed_files(secret_files: Mapping[str, Path], reader: int | None) -> Iterator[ConfigWarning]:
    """A warning for each secret's file that others can read.

    Args:
        secret_files: by the key that names them.
        reader: see `remedy_of`.
    """
    for key, path in secret_files.items():
        if others_can_read(path):
            yield ConfigWarning("", key, f"every user of this machine can read {path}; {remedy_of(path, reader)}")


def remedy_of(path: Path, reader: int | None) -> str:
    """How others are kept from a secret's file, and the user who has to read it is not.

    Args:
        reader: that user; None: not known.
    """
    if _may_be_closed(path, reader):
        return f"chmod 600 {path}"
    own = f"chown {reader} and chmod 600" if reader else "give it to the user of the service, with mode 600"
    return f"pass it by LoadCredential as {{ credential = ... }}, or {own}: with chmod 600 alone the service cannot read it"


def exposed_config(path: Path, inline: Iterable[str], reader: int | None) -> Iterator[ConfigWarning]:
    """A warning where others can read a config.toml that holds secrets itself.

    Args:
        inline: the keys of these secrets.
        reader: see `remedy_of`.
    """
    keys = list(inline)
    if keys and others_can_read(path):
        close = "" if not _may_be_closed(path, reader) else f", or chmod 600 {path}"
        remedy = f"write them into files or credentials, and name these in it{close}"
        words = f"it holds secrets ({', '.join(keys)}), and every user of this machine can read it; {remedy}"
        yield ConfigWarning("", path.name, words)


def _may_be_closed(path: Path, reader: int | None) -> bool:
    """Whether a file that only its owner can read is still one for its reader."""
    return reader == 0 or (reader is not None and path.stat().st_uid == reader)


def unreadable_files(secret_files: Mapping[str, Path], uid: int, gid: int) -> Iterator[ConfigWarning]:
    """A warning for each secret's file that the user of the service may not read, by owner and mode.

    Args:
        secret_files: by the key that names them.
        uid, gid: of the service. Its further groups and access lists are not looked at.
    """
    for key, path in secret_files.items():
        if (barred := barred_by(path, READ, uid, gid)) is not None:
            words = f"the service runs as user {uid}, who may not read {path} (see the mode of {barred})"
            yield ConfigWarning("", key, words)


def barred_by(path: Path, right: int, uid: int, gid: int) -> Path | None:
    """What keeps a user from a file, by owner and mode: it, or a folder above it. None where nothing does, or there is no such file."""
    try:
        steps = [(path, right), *((folder, ENTER) for folder in path.absolute().parents)]
        return next((step for step, needed in steps if not may(step.stat(), uid, gid, needed)), None)
    except OSError:
        return None


def may(status: os.stat_result, uid: int, gid: int, right: int) -> bool:
    """Whether owner and mode of a file give a user these rights, all of them."""
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    return uid == 0 or status.st_mode >> shift & right == right


def weak_token(admin: AdminConfig | None) -> Iterator[ConfigWarning]:
    """A warning where the admin listener can be reached from outside with a token that can be guessed."""
    if admin is None or admin.token is None or admin.listen.is_loopback:
        return
    if len(admin.token.strip()) < MIN_TOKEN:
        words = f"shorter than {MIN_TOKEN} characters or blank, and {admin.listen} can be reached from outside; choose a longer one"
        yield ConfigWarning("", "admin.token", words)
