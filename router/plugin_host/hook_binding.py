"""The hooks of a plugin as plain functions, with the parameters of the contract in its order. pluggy has the last word on their form."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import cache, lru_cache
from typing import Any

import pluggy

from router.errors import PluginError
from router.plugin import Hooks, hookspec
from router.plugin_host.validation import HOOKS, MAPPING_HOOKS


def bind(plugin: Any, name: str) -> dict[str, Callable[..., Any]]:
    """Register an instance with pluggy and give its hooks as plain functions.

    Each takes the contract's parameters in the contract's order, whichever of them the plugin has. `lifetime` gives an
    async context manager in either form.

    Raises:
        PluginError: pluggy refuses it.
    """
    hooks: dict[str, Callable[..., Any]] = {}
    for hook, implementation in _implementations(plugin, name).items():
        function = implementation.function
        if inspect.isasyncgenfunction(function):
            function = asynccontextmanager(function)
        hooks[hook] = _in_order(function, HOOKS[hook], implementation.argnames)
    return hooks


def _implementations(plugin: Any, name: str) -> dict[str, pluggy.HookImpl]:
    """What pluggy makes of an instance, by hook. Raises PluginError: pluggy refuses it."""
    manager = _manager()
    with _one_plugin:
        try:
            manager.register(plugin, name=name)
            manager.check_pending()
            found = {hook: getattr(manager.hook, hook).get_hookimpls() for hook in HOOKS}
        except pluggy.PluginValidationError as error:
            raise PluginError(" ".join(str(error).split())) from error
        finally:
            if manager.has_plugin(name):
                manager.unregister(name=name)
    return {hook: implementations[-1] for hook, implementations in found.items() if implementations}


@cache
def _manager() -> pluggy.PluginManager:
    """It knows the hooks of the contract: to tell it of them takes longer than all the rest. `_one_plugin`: a plugin is in it while
    it is looked at, in whichever thread."""
    manager = pluggy.PluginManager(hookspec.project_name)
    manager.add_hookspecs(Hooks)
    return manager


_one_plugin = threading.Lock()


def without_context(plugin: Any) -> frozenset[str]:
    """The mapping hooks of a plugin that do not ask for the Context: nothing is looked up for them."""
    of: type = type(plugin)
    return _without_context(of)


@lru_cache(maxsize=64)
def _without_context(plugin: type) -> frozenset[str]:
    asks = dict.fromkeys(MAPPING_HOOKS, False)
    for attribute in dir(plugin):
        static = inspect.getattr_static(plugin, attribute)
        function = static.__func__ if isinstance(static, staticmethod | classmethod) else static
        options = getattr(function, f"{hookspec.project_name}_impl", None)
        name = (options.get("specname") or attribute) if isinstance(options, dict) else ""
        if name in asks and "context" in inspect.signature(function).parameters:
            asks[name] = True
    return frozenset(name for name, does in asks.items() if not does)


def _in_order(function: Callable[..., Any], all_names: tuple[str, ...], names: tuple[str, ...]) -> Callable[..., Any]:
    """The function itself when it has just these parameters, else one that picks those it has."""
    if tuple(names) == all_names:
        return function
    chosen = [all_names.index(name) for name in names]
    if chosen == [0]:
        return lambda first, *_: function(first)
    if chosen == list(range(len(chosen))):
        return lambda *values: function(*values[: len(chosen)])
    return lambda *values: function(*[values[index] for index in chosen])
