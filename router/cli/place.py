"""Where a running daemon and its store are, by config.toml, and how this program is called.

Verbs read only the tables they need: an operator's shell has none of the secrets that the destinations ask for.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.errors import ConfigError, RouterError

if TYPE_CHECKING:  # it takes a third of the time of --help
    from router.config import Draft, Listen

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Listening on every address includes this machine's own."""


class Failed(RouterError):
    """A verb could not do what it was asked to; the message is for the person who asked. Exit code 1."""


@dataclasses.dataclass(frozen=True)
class Place:
    """What config.toml says of the places a verb needs."""

    path: Path  #: of config.toml
    ingest: Listen
    admin: Listen
    token: str | None
    store: Path


def locate(path: Path) -> Place:
    """Read the places from config.toml. Raises ConfigError with what is wrong with these tables."""
    from router.config import ServerConfig, StoreConfig

    draft, raw = _open(path)
    server = draft.section(ServerConfig, raw.get("server", {}), "server")
    admin = draft.admin(raw.get("admin", {}))
    store = draft.section(StoreConfig, raw.get("store", {}), "store")
    if draft.problems or not (server and admin and store):
        raise ConfigError(draft.problems)
    return Place(draft.path, _reached(server.listen), _reached(admin.listen), admin.token, store.path)


def write_key(path: Path, name: str | None) -> str:
    """The write key of a source, the first enabled one unless named.

    Raises:
        ConfigError: this source's table is faulty, or its key cannot be found.
        Failed: there is no such source, or it is disabled.
    """
    from router.config import unknown

    draft, raw = _open(path)
    tables = list(draft.tables(raw, "source"))
    wanted = [(w, t) for w, t in tables if (t.get("name") == name if name else t.get("enabled", True) is True)]
    if not wanted:
        names = [str(table.get("name")) for _, table in tables]
        raise Failed(unknown(name, names, "source") if name else f"no source is enabled in {path}")
    draft.source(*wanted[0])
    if not draft.sources:
        raise ConfigError(draft.problems)
    source = draft.sources[0][1]
    if not source.enabled:
        raise Failed(f'source "{source.name}" is disabled: what it sends is discarded')
    return source.write_keys[0]


def _open(path: Path) -> tuple[Draft, dict[str, Any]]:
    from router.config import Draft, examine

    try:
        return Draft(path, os.environ), tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise ConfigError(examine(path, os.environ).problems) from None


def _reached(listen: Listen) -> Listen:
    return dataclasses.replace(listen, host=EVERYWHERE.get(listen.host, listen.host))


def program() -> str:
    """How this program is called, for lines to paste."""
    called = os.environ.get("SEGMENT_ROUTER_COMMAND") or sys.argv[0]
    if Path(called).name == "__main__.py":
        return "python -m router"
    name = Path(called).name
    found = shutil.which(name)
    return name if found and Path(found).resolve() == Path(called).resolve() else called
