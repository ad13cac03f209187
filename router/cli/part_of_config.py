"""The tables of config.toml that say where the daemon and its store are. A fault elsewhere in the file, or in another key of these tables,
keeps nobody from asking a daemon that runs, nor from making a backup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from router.cli.lazy import lazy
from router.errors import ConfigError

if TYPE_CHECKING:
    from router import config as configuration
    from router.config import AdminConfig, Draft, Readable, ServerConfig, StoreConfig
else:
    configuration = lazy("router.config")

S = TypeVar("S")


class Opened(NamedTuple):
    """The file, as far as it can be read."""

    draft: Draft
    raw: dict[str, Any]
    faults: list[str]  #: why it is not all of it
    unread: Readable | None = None


class Places(NamedTuple):
    """The tables, as far as they are good. A listener that is None is not known."""

    store: StoreConfig
    server: ServerConfig | None
    admin: AdminConfig | None
    faults: list[str]  #: of the file and of these tables


def open_config(path: Path, environ: Mapping[str, str]) -> Opened:
    """Read config.toml. Raises ConfigError where nothing of it can be read."""
    draft = configuration.Draft(path, environ)
    raw = configuration.read_toml(draft)
    if raw is not None:
        return Opened(draft, raw, [])
    faults, draft.problems = draft.problems, []
    try:
        unread = configuration.readable(path.read_bytes())
    except OSError:
        raise ConfigError(faults) from None
    return Opened(draft, unread.tables, faults, unread)


def places_of(opened: Opened) -> Places:
    """Where the daemon is. Raises ConfigError where the store is not known: another one must not be taken for it."""
    draft = opened.draft

    def server(raw: Any) -> ServerConfig | None:
        return draft.section(configuration.ServerConfig, raw, "server")

    def admin(raw: Any) -> AdminConfig | None:
        told = {key: value for key, value in raw.items() if key != "token"} if isinstance(raw, dict) else raw
        return draft.section(configuration.AdminConfig, told, "admin")

    def store(raw: Any) -> StoreConfig | None:
        return draft.store(raw, is_url_needed=False)

    found = (
        _as_far_as_good(opened, "store", "url", store),
        _as_far_as_good(opened, "server", "listen", server),
        _as_far_as_good(opened, "admin", "listen", admin),
    )
    faults = [*opened.faults, *draft.problems]
    if found[0] is None:
        raise ConfigError(faults)
    return Places(found[0], found[1], found[2], faults)


def _as_far_as_good(opened: Opened, key: str, needed: str, read: Callable[[Any], S | None]) -> S | None:
    """A table, else what is left of it without the keys that are faulty; None where the one that is needed is among these."""
    if opened.unread and opened.unread.hides(key, needed):
        return None
    raw = opened.raw.get(key, {})
    found = read(raw)
    if found is not None or not isinstance(raw, dict):
        return found
    faults = [*opened.draft.problems]
    good = {name: value for name, value in raw.items() if read({name: value}) is not None}
    found = read(good) if needed in good or needed not in raw else None
    opened.draft.problems[:] = faults
    return found
