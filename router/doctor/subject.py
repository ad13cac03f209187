"""What is examined: this machine, config.toml, the store and the destinations."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import router
from router.clock import Clock, SystemClock
from router.config import Draft, Operator, examine
from router.deliver.send.http_client import default_ssl_context
from router.errors import ConfigError
from router.plugin_host import Destination, build_one, read
from router.runtime_file import Running, place

PACKAGE = Path(router.__file__).parent
SHIPPED_UNITS = (PACKAGE / "doctor/systemd", PACKAGE.parent / "systemd")
"""Of an installed wheel, and of a checkout."""
UNIT_FOLDERS = tuple(
    Path(folder, "systemd/system") for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
)
"""Where systemd looks, the first that has a file of this name first. Source: systemd.unit(5)"""


@dataclass(frozen=True)
class Subject:
    """Everything that a check may look at."""

    path: Path  #: of config.toml
    store: Path | None  #: None: config.toml does not say where it is
    min_free_bytes: int = 0
    running: Running | None = None  #: the daemon, where it runs and this user may know
    draft: Draft | None = None
    destinations: tuple[Destination, ...] = ()
    problems: tuple[str, ...] = ()  #: why config.toml cannot be used
    clock: Clock = field(default_factory=SystemClock)
    tls: ssl.SSLContext = field(default_factory=default_ssl_context)
    shipped_units: Path = field(default_factory=lambda: next(filter(os.path.isdir, SHIPPED_UNITS), SHIPPED_UNITS[0]))
    unit_folders: tuple[Path, ...] = UNIT_FOLDERS
    mountinfo: Path = Path("/proc/self/mountinfo")

    @property
    def is_running(self) -> bool | None:
        """Whether the daemon runs; None where this user may not know."""
        if self.running is not None or self.store is None:
            return self.running is not None
        told = place(self.store)
        return None if told.parent.exists() and not os.access(told.parent, os.X_OK) else False

    @property
    def service(self) -> tuple[int, int] | None:
        """The user and group of the service: of the daemon that runs, else the owner of the store, or of its folder where root has put the
        store there. None: nobody has started it yet."""
        if self.running is not None:
            return self.running.uid, self.running.gid
        try:
            owner = self.store.stat() if self.store else None
            if self.store and owner and owner.st_uid == 0:
                owner = self.store.parent.stat()
        except OSError:
            return None
        return (owner.st_uid, owner.st_gid) if owner else None

    @property
    def disk(self) -> Path | None:
        """The folder of the store, or the nearest one above it that is there."""
        if self.store is None:
            return None
        return next((folder for folder in self.store.absolute().parents if folder.is_dir()), None)


def read_subject(
    path: Path,
    environ: Mapping[str, str],
    operator: Operator,
    running: Running | None,
    store: Path | None,
    min_free_bytes: int,
) -> Subject:
    """Read config.toml and its plugins as far as they can be read.

    Args:
        environ, operator: who reads it; see `router.config.examine`.
        running, store, min_free_bytes: where the daemon and its store are, as far as that is known.
    """
    draft = examine(path, environ, operator)
    problems: list[str] = []
    try:
        destinations = tuple(read(path, environ, operator)[1])
    except ConfigError as error:
        problems, destinations = error.problems, tuple(_usable(draft))
    return Subject(path, store, min_free_bytes, running, draft, destinations, tuple(problems))


def _usable(draft: Draft) -> Iterator[Destination]:
    for _, table in draft.destinations:
        try:
            yield build_one(draft, table.name)
        except (ConfigError, KeyError):
            continue
