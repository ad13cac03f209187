"""Mapping hooks in another process, in which what a plugin must not look at is different: the time zone, the environment, the order of sets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from router.plugin_host.apart import apart
from router.plugin_host.fault_place import said_by
from router.testing.checking.loading import ClassPlace, place_of_class
from router.testing.checking.mapping_runs import Observed

if TYPE_CHECKING:
    from router.testing.checking.mapped_subject import MappedSubject

__all__ = ["NotMapped", "mapped_elsewhere", "mark_of"]

_KEPT = {"PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT"}
"""Variables that Python and libraries need. Those that begin with PYTHON, LD_ or DYLD_ are kept, too."""
_FAR_AWAY = {"TZ": "Pacific/Kiritimati", "LANG": "C", "LC_ALL": "C"}


class NotMapped(Exception):
    """The plugin could not be loaded there. The words say why."""


def mapped_elsewhere(subject: MappedSubject) -> list[tuple[str, str]]:
    """What came of each call of a mapping hook in another process, in the order of `observed`: its mark, and words.

    Raises:
        NotMapped: the class cannot be found by its name.
        Died: the process ended.
    """
    place = place_of_class(subject.plugin)
    if place is None:
        raise NotMapped("its class was made in a function, so another process cannot import it")
    found = []
    given = (subject.given, subject.calls, subject.table)
    for kind, *told in apart(_map, place, *given, environ=_environment(os.environ)):
        if kind == "not loaded":
            raise NotMapped(f"another process cannot import it: {told[0]}")
        found.append((told[0], told[1]))
    return found


def mark_of(one: Observed) -> str:
    """Alike for two calls that made the same: items, outcome without its detail, state, timer and key."""
    outcome, context = one.made.outcome, one.context
    left = (context.state, context.wake_at) if context else ()
    items = [(item.kind, item.json) for item in one.made.items]
    told = (items, type(outcome).__name__, getattr(outcome, "reason", ""), left, one.key.value)
    return hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()


def _map(
    say: Callable[[object], None],
    place: ClassPlace,
    settings: Mapping[str, Any],
    calls: Iterable[Any],
    table: Mapping[str, Any],
) -> None:
    from router.testing.checking.mapped_subject import MappedSubject

    try:
        plugin = place.load()
    except Exception as error:  # whatever the modules around it do
        say(["not loaded", f"{type(error).__name__}: {said_by(error)}"])
        return
    for one in MappedSubject(plugin, settings, calls=calls, **table).observed_once:
        say(["mapped", mark_of(one), one.made.came])


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in environ.items() if name in _KEPT or name.startswith(("PYTHON", "LD_", "DYLD_"))
    }
    seed = "2" if environ.get("PYTHONHASHSEED") == "1" else "1"
    return {**kept, **_FAR_AWAY, "PYTHONHASHSEED": seed}
