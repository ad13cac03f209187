"""The plugins that a destination can use, with what they say of themselves. Each is imported, so this belongs beside the event loop."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import NamedTuple

from router.errors import PluginError
from router.plugin import Settings
from router.plugin_host import available, find
from router.plugin_host.validation import check_class


class Offer(NamedTuple):
    """A plugin that was found."""

    name: str
    origin: str  #: the distribution and its version, or the file
    summary: str  #: its first sentence
    names: tuple[str, ...]  #: what the tool is called
    model: type[Settings] | None  #: None: it cannot be used
    problem: str = ""  #: why not


def offers(plugins_dir: Path | None) -> list[Offer]:
    """All plugins that are installed or in `plugins_dir`, by name."""
    return [_offer(name, origin, plugins_dir) for name, origin in available(plugins_dir).items()]


def offer(name: str, plugins_dir: Path | None) -> Offer:
    """One of them. Raises KeyError."""
    return _offer(name, available(plugins_dir)[name], plugins_dir)


def _offer(name: str, origin: str, plugins_dir: Path | None) -> Offer:
    try:
        plugin = find(name, plugins_dir).load()
        check_class(plugin)
    except PluginError as error:
        return Offer(name, origin, "", (), None, str(error))
    names = getattr(plugin, "display_names", ())
    told = tuple(str(one) for one in names) if isinstance(names, tuple | list) else ()
    return Offer(name, origin, _summary(plugin), told, plugin.settings_model)


def _summary(plugin: type[object]) -> str:
    """The first paragraph of what its module says, else its class."""
    module = sys.modules.get(plugin.__module__)
    words = inspect.getdoc(module) if module else None
    text = words or (plugin.__doc__ and inspect.getdoc(plugin)) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("`", "")
