"""Finds plugin classes by name: installed ones by their entry point, and the single files of `plugins_dir`.

A plugin is imported only when a destination names it, so a broken one troubles nobody else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from router.config import unknown
from router.errors import PluginError
from router.plugin_host.fault_place import fault_words
from router.plugin_host.interrupts import Interrupts

GROUP = "segment_router.destinations"


_first_loaded: dict[str, str] = {}
"""By what an entry point names: the version of its distribution when this process imported it."""


@dataclass(frozen=True)
class Found:
    """A plugin that was found and is not imported yet."""

    name: str
    version: str  #: of its distribution; of a single file, a hash of its content
    origin: str  #: for people: distribution and version, or the file
    source: EntryPoint | Path

    @property
    def running_version(self) -> str:
        """The version of what `load` has given: Python imports a distribution once, whatever is installed later."""
        return (
            _first_loaded.get(self.source.value, self.version) if isinstance(self.source, EntryPoint) else self.version
        )

    @property
    def _module(self) -> str:
        return self.source.module if isinstance(self.source, EntryPoint) else _module_of(self.name)

    def load(self) -> type[Any]:
        """Import it and give its class.

        Raises:
            PluginError: it cannot be imported, or it is not a class.
        """
        interrupts = Interrupts()
        try:
            with interrupts:
                loaded = (
                    self.source.load() if isinstance(self.source, EntryPoint) else _class_in(self.name, self.source)
                )
        except PluginError:
            raise
        except (
            BaseException
        ) as error:  # a third party's code runs here, so anything may be raised, a `skip` of pytest too
            if interrupts.came:
                raise
            raise PluginError(
                f'plugin "{self.name}" ({self.origin}) cannot be imported: {fault_words(error, self._module)}'
            ) from error
        if isinstance(self.source, EntryPoint):
            _first_loaded.setdefault(self.source.value, self.version)
        if not isinstance(loaded, type):
            raise PluginError(f'plugin "{self.name}" ({self.origin}) is not a class; name the class in the entry point')
        return loaded


def available(plugins_dir: Path | None = None) -> dict[str, str]:
    """The names that a destination may use, each with its origin. Imports nothing."""
    return {name: " and ".join(found.origin for found in same) for name, same in sorted(_all(plugins_dir).items())}


def find(name: str, plugins_dir: Path | None = None) -> Found:
    """The plugin of this name.

    Raises:
        PluginError: there is none, or more than one.
    """
    everything = _all(plugins_dir)
    same = everything.get(name, [])
    if not same:
        words = unknown(name, everything, "plugin")
        near = " (available: " + ", ".join(sorted(everything)) + ")" if "did you mean" in words else ""
        if plugins_dir is None:
            place = "plugins_dir of config.toml names no folder of plugin files"
        else:
            place = f"plugins_dir has no {name}.py: {plugins_dir}"
        raise PluginError(f"{words}{near}; no installed package has it, and {place}")
    if len(same) > 1:
        raise PluginError(f'plugin "{name}" is there twice, from {same[0].origin} and {same[1].origin}; remove one')
    return _with_version(same[0])


def _all(plugins_dir: Path | None) -> dict[str, list[Found]]:
    result: dict[str, list[Found]] = {}
    told: dict[int, tuple[str, str]] = {}  # each look at a distribution reads its METADATA, and ours has many plugins
    for entry in entry_points(group=GROUP):
        dist = entry.dist
        if dist is not None and id(dist) not in told:
            about = dist.metadata
            told[id(dist)] = (about["Version"], about["Name"])
        version, package = told[id(dist)] if dist is not None else ("", entry.value)
        same = result.setdefault(entry.name, [])
        # an installed distribution may be met twice, by two paths of sys.path
        if all(found.source != entry for found in same):
            same.append(Found(entry.name, version, f"{package} {version}".strip(), entry))
    for file in sorted(plugins_dir.glob("*.py")) if plugins_dir else []:
        if not file.name.startswith("_"):
            result.setdefault(file.stem, []).append(Found(file.stem, "", str(file), file))
    return result


def _with_version(found: Found) -> Found:
    """A single file gets a version, read before it runs: a later change is then never taken for what runs."""
    if not isinstance(found.source, Path):
        return found
    try:
        content = found.source.read_bytes()
    except OSError:  # which loading it will tell
        return found
    return dataclasses.replace(found, version=hashlib.sha256(content).hexdigest()[:8])


def _module_of(name: str) -> str:
    return f"segment_router_plugin_{name}"


def _class_in(name: str, file: Path) -> type[Any]:
    """Run a single-file plugin as it is now, also when it was run before, and give the one plugin class in it."""
    module = ModuleType(_module_of(name))
    module.__file__ = str(file)
    code = compile(file.read_text(encoding="utf-8"), str(file), "exec", dont_inherit=True)
    sys.modules[module.__name__] = module  # annotations are looked up there
    exec(code, module.__dict__)
    classes = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not key.startswith("_")
        if hasattr(value, "settings_model")
    ]
    if len(classes) != 1:
        names = ", ".join(sorted(found.__name__ for found in classes)) or "none"
        raise PluginError(
            f'plugin "{name}" ({file}) needs exactly one public class with settings_model; it has {names}'
        )
    return classes[0]
