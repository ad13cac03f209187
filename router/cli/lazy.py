"""The one lazy loader: a module that is imported when a verb first uses it, so that --help and completion stay quick.

    if TYPE_CHECKING:
        from router import daemon
    else:
        daemon = lazy("router.daemon")

The daemon, the store, aiohttp, pydantic and rich are loaded in this way; typer and the standard library are not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a module. Any name of it is looked up there, at the moment of use."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)


def lazy(module: str) -> Any:
    """The module of this full name, not imported yet."""
    return Lazy(module)
