"""Every plugin that is there, imported in a process of its own: a broken one hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from router.errors import PluginError
from router.plugin import API_VERSION
from router.plugin_host.apart import Died, apart
from router.plugin_host.discovery import Found, available, find
from router.plugin_host.validation import check_class, version_of

PACKAGE, FILE = "package", "file"
SLOW_S = 2.0
"""Who waits for longer is told what for."""


class Installed(NamedTuple):
    """A plugin that was found, and whether it can be used."""

    name: str
    version: str  #: of its distribution; of a file, a hash of its content; "" where there are two of this name
    api_version: str  #: of the contract that it was written for: "1.0"; "" where it could not be imported
    source: str  #: PACKAGE or FILE; "" where there are two of this name
    origin: str  #: the distribution with its version and entry point, or the file
    problem: str = ""  #: why it cannot be used; its faults, one a line
    needs: str = ""  #: the package that it imports and that is not installed; the plugin itself may be good

    @property
    def loads(self) -> bool:
        """Whether a destination can name it."""
        return not self.problem


def installed(plugins_dir: Path | None, on_slow: Callable[[str, str], object]) -> list[Installed]:
    """All plugins by name, each with what is wrong with it.

    Args:
        on_slow: called in a thread with the name and the origin of one that is waited for.
    """
    left = available(plugins_dir)
    told: list[Installed] = []
    while left:
        try:
            said = apart(_examine_all, dict(left), plugins_dir)
            while left:
                with _told_when_slow(on_slow, *next(iter(left.items()))):
                    told.append(Installed(**next(said)))
                del left[told[-1].name]
        except Died as death:
            name = next(iter(left))
            told.append(_deadly(name, left.pop(name), plugins_dir, f"the process that imported it {death}"))
    return told


@contextmanager
def _told_when_slow(on_slow: Callable[[str, str], object], name: str, origin: str) -> Iterator[None]:
    timer = Timer(SLOW_S, on_slow, (name, origin))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _examine_all(say: Callable[[object], None], origins: dict[str, str], plugins_dir: Path | None) -> None:
    for name, origin in origins.items():
        say(_examined(name, origin, plugins_dir)._asdict())


def _examined(name: str, origin: str, plugins_dir: Path | None) -> Installed:
    try:
        found = find(name, plugins_dir)
    except PluginError as error:
        return Installed(name, "", "", "", origin, str(error))
    plugin: Any = None
    problem = needs = ""
    try:
        plugin = found.load()
        check_class(plugin)
    except PluginError as error:
        problem, needs = str(error), _lacking(error.__cause__)
    return Installed(name, found.version, _api_version(plugin), _source(found), place(found), problem, needs)


def _lacking(error: BaseException | None) -> str:
    """The package that is not installed, where an import failed by that."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return package if package and find_spec(package) is None else ""


def _deadly(name: str, origin: str, plugins_dir: Path | None, problem: str) -> Installed:
    """One that ended whoever imported it."""
    found = find(name, plugins_dir)
    return Installed(name, found.version, "", _source(found), place(found), problem)


def _api_version(plugin: Any) -> str:
    try:
        told = None if plugin is None else version_of(getattr(plugin, "api_version", API_VERSION))
    except BaseException:  # its metaclass may raise anything; `check_class` has said it
        return ""
    return "" if told is None else f"{told[0]}.{told[1]}"


def _source(found: Found) -> str:
    return PACKAGE if isinstance(found.source, EntryPoint) else FILE


def place(found: Found) -> str:
    """Where it comes from, for people."""
    return f"{found.origin} ({found.source.value})" if isinstance(found.source, EntryPoint) else found.origin
