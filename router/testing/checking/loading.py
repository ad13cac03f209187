"""Modules and classes by name, also those of single files."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["ClassPlace", "place_of_class", "run_file"]


class ClassPlace(NamedTuple):
    """Where another process finds a class."""

    module: str
    name: str
    file: str

    def load(self) -> type[Any]:
        """The class. Raises whatever its module raises."""
        try:
            found: Any = importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.module}.".startswith(f"{error.name}."):
                raise
            found = run_file(Path(self.file), self.module)
        for name in self.name.split("."):
            found = getattr(found, name)
        loaded: type[Any] = found
        return loaded


def place_of_class(plugin: type[Any]) -> ClassPlace | None:
    """Where it is; None for one that was made in a function."""
    module: Any = sys.modules.get(plugin.__module__)
    found = module
    for name in plugin.__qualname__.split("."):
        found = getattr(found, name, None)
    file = getattr(module, "__file__", None)
    return ClassPlace(plugin.__module__, plugin.__qualname__, file) if found is plugin and file else None


def run_file(file: Path, name: str) -> ModuleType:
    """The module that is in this file, under this name."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
