"""Where a new secret is kept: in the file that its table names, else in a file of its own beside config.toml.

A name of a file is never made of what a form says but of names that config.toml and the plugin allow: no path can come of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from router.config import is_secret_table

FOLDER = "secrets"


class SecretPlace(NamedTuple):
    """Where a secret goes."""

    path: Path  #: of the file, absolute
    table: dict[str, str] | None  #: what the key is set to; None: its table names this file already
    shared: tuple[str, ...]  #: other keys of the file whose secret is the same file


class NoPlace(Exception):
    """A secret's key has a name that no file can have."""


def place_of(text: str, config: Path, destination: str, key: tuple[str, ...], present: Any) -> SecretPlace:
    """Where the new secret of a destination's key goes.

    Args:
        text: of config.toml.
        key: below `settings`.
        present: what the key has in the file; None where it has nothing.

    Raises:
        NoPlace: see there.
    """
    users = dict(_files(tomllib.loads(text), ()))
    if is_secret_table(present) and set(present) == {"file"} and isinstance(present["file"], str):
        path = config.parent / present["file"]
        own = f"destination {destination} settings {' '.join(key)}"
        shared = [user for user, file in users.items() if config.parent / file == path and user != own]
        return SecretPlace(path, None, tuple(shared))
    name = "_".join((destination, *key))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", name):
        raise NoPlace("a secret of this name cannot be kept in a file; change it in config.toml")
    taken = {config.parent / file for file in users.values()}
    file = f"{FOLDER}/{name}"
    number = 1
    while config.parent / file in taken or (config.parent / file).exists():
        number += 1
        file = f"{FOLDER}/{name}_{number}"
    return SecretPlace(config.parent / file, {"file": file}, ())


def _files(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each `{ file = ... }` of config.toml: its key in words, and the file."""
    if is_secret_table(value) and isinstance(value.get("file"), str):
        yield " ".join(path), value["file"]
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _files(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            name = inner.get("name", index) if isinstance(inner, Mapping) else index
            yield from _files(inner, (*path, str(name)))
