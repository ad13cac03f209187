"""Holds a plugin against the contract of `router/plugin.py`: its class before there is an instance, then the instance.

pluggy has the last word on the form of hooks (`hook_binding`); what it would let through and the router cannot use is refused before.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

from router.config import unknown
from router.errors import PluginError
from router.plugin import API_MINOR, API_VERSION, Batch, Group, Hooks, Settings, UserId, hookspec
from router.plugin_host.fault_place import said_by
from router.plugin_host.interrupts import Interrupts

MAPPING_HOOKS = ("identify", "group", "track", "page", "screen", "alias")
_MAY_YIELD = (*MAPPING_HOOKS, "wake", "forget", "forget_group")
_ASYNC_HOOKS = ("deliver", "check")
#: hook -> its parameters in the contract's order
HOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(hook).parameters)[1:]
    for name, hook in vars(Hooks).items()
    if hasattr(hook, f"{hookspec.project_name}_spec")
}


def check_class(plugin: type[Any]) -> None:
    """Refuse a plugin class that the router cannot use.

    Raises:
        PluginError: with every fault of it, one a line.
    """
    interrupts = Interrupts()
    try:
        with interrupts:
            faults = list(version_faults(plugin)) or [*model_faults(plugin), *hooks_faults(plugin)]
    except BaseException as error:  # its metaclass may raise anything
        if interrupts.came:
            raise
        faults = [cannot_be_looked_at(error)]
    if faults:
        raise PluginError("\n".join(faults))


def cannot_be_looked_at(error: BaseException) -> str:
    """The fault of a plugin whose own code fails while its class is looked at."""
    return f"cannot be looked at: {type(error).__name__}: {said_by(error)}"


def model_faults(plugin: type[Any]) -> Iterator[str]:
    """What is wrong with the model of its settings."""
    model = getattr(plugin, "settings_model", None)
    if model is None:
        yield "has no settings_model; name its class of settings, e.g. settings_model = MySettings"
    elif not (isinstance(model, type) and issubclass(model, Settings)):
        yield "settings_model is not a subclass of router.plugin.Settings"


def hooks_faults(plugin: type[Any]) -> Iterator[str]:
    """What is wrong with the form of its hooks, or which are lacking."""
    hooks = set()
    for attribute in dir(plugin):
        static = inspect.getattr_static(plugin, attribute)
        function = static.__func__ if isinstance(static, staticmethod | classmethod) else static
        options = getattr(function, f"{hookspec.project_name}_impl", None)
        if isinstance(options, dict):
            name = options.get("specname") or attribute
            hooks.add(name)
            yield from _hook_faults(name, function, options, bound=not isinstance(static, staticmethod))
        elif attribute in HOOKS and callable(function):
            hooks.add(attribute)
            yield f"{attribute} has the name of a hook but no @hookimpl; add it, or rename the method"
    if not hooks & {"request", "deliver"}:
        yield "has neither request nor deliver, so it can send nothing; implement one of them"
    if not hooks & set(MAPPING_HOOKS):
        yield f"has no mapping hook; implement at least one of {', '.join(MAPPING_HOOKS)}"


def _hook_faults(name: str, function: Any, options: Mapping[str, Any], *, bound: bool) -> Iterator[str]:
    if name not in HOOKS:
        yield unknown(name, HOOKS, "hook")
        return
    if options.get("wrapper") or options.get("hookwrapper"):
        yield f"{name} is a hook wrapper; a destination has one plugin, so there is nothing to wrap"
    parameters = list(inspect.signature(function).parameters.values())[bound:]
    for parameter in parameters:
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            yield f"{name} has the parameter {parameter}; write plain ones: {', '.join(HOOKS[name])}"
        elif parameter.default is not parameter.empty:
            yield f"{name} gives its parameter {parameter.name} a default; leave the default out"
        elif parameter.name not in HOOKS[name]:
            yield f"{name}: {unknown(parameter.name, HOOKS[name], 'parameter')}"
    is_async = inspect.iscoroutinefunction(function)
    if name in _ASYNC_HOOKS and not is_async:
        yield f"{name} must be async; write `async def {name}`"
    elif name not in _ASYNC_HOOKS and (is_async or (inspect.isasyncgenfunction(function) and name != "lifetime")):
        yield f"{name} must not be async; write `def {name}`"
    elif inspect.isgeneratorfunction(function) and name not in _MAY_YIELD:
        yield f"{name} must return, not yield"


def check_facts(plugin: Any) -> None:
    """Refuse an instance whose declared facts are malformed.

    Raises:
        PluginError: with every fault of it, one a line.
    """
    faults = list(fact_faults(plugin))
    if faults:
        raise PluginError("\n".join(faults))


def fact_faults(plugin: Any) -> Iterator[str]:
    """What is wrong with the facts that an instance declares."""
    yield from version_faults(plugin)
    names = getattr(plugin, "display_names", ())
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) and name for name in names):
        yield 'display_names is not a tuple of names, e.g. ("Greeter",)'
    item_version = getattr(plugin, "item_version", 1)
    if type(item_version) is not int or item_version < 1:
        yield "item_version is not a whole number of at least 1"
    yield from _requires_faults(getattr(plugin, "requires", {}))
    yield from _kinds_faults(getattr(plugin, "kinds", {"": Batch()}))


def version_faults(plugin: Any) -> Iterator[str]:
    """A class or an instance names the major version, or `(major, minor)`: the first minor version that has what it uses. Asked before
    anything else: what a plugin of another version has wrong by this one says nothing."""
    version = getattr(plugin, "api_version", API_VERSION)
    if isinstance(version, property):  # the instance will say it
        return
    wanted = version_of(version)
    here = f"this router has {API_VERSION}.{API_MINOR}"
    if wanted is None:
        yield f"api_version is {reprlib.repr(version)}; write the version of the contract, e.g. {API_VERSION} or ({API_VERSION}, {API_MINOR})"
    elif wanted[0] != API_VERSION:
        yield f"was written for api_version {wanted[0]}, {here}; install a matching release of it"
    elif wanted[1] > API_MINOR:
        yield f"needs api_version {wanted[0]}.{wanted[1]}, {here}; upgrade the router, or install an older release of the plugin"


def version_of(declared: object) -> tuple[int, int] | None:
    """`api_version` of a plugin as major and minor; None where it is none."""
    parts = declared if isinstance(declared, tuple) else (declared, 0)
    if len(parts) != 2 or any(type(part) is not int or part < 0 for part in parts):
        return None
    return parts[0], parts[1]


def _requires_faults(requires: object) -> Iterator[str]:
    if not isinstance(requires, Mapping):
        yield 'requires is not a table, e.g. {"track": (Group("id"),)}'
        return
    for kind, needs in requires.items():
        if kind not in MAPPING_HOOKS:
            yield f"requires: {unknown(str(kind), MAPPING_HOOKS, 'call type')}"
        if not isinstance(needs, tuple | list) or not all(isinstance(need, UserId | Group) for need in needs):
            yield f'requires["{kind}"] is not a tuple of UserId() and Group(...)'
        elif kind == "group" and any(isinstance(need, Group) for need in needs):
            yield 'requires["group"] has a Group(...); a group call opens the gate, so it would wait for itself: leave the Group out'


def _kinds_faults(kinds: object) -> Iterator[str]:
    if not isinstance(kinds, Mapping) or not kinds:
        yield 'kinds is not a table with at least one kind, e.g. {"": Batch()}'
        return
    for kind, batch in kinds.items():
        if not isinstance(kind, str) or not isinstance(batch, Batch):
            yield f'kinds["{kind}"] is not a Batch(...)'
        elif min(batch.max_items, batch.max_bytes, 1 if batch.concurrency is None else batch.concurrency) < 1:
            yield f'kinds["{kind}"]: max_items, max_bytes and concurrency are at least 1'
        elif not 0 <= batch.linger_s <= 5:
            yield f'kinds["{kind}"]: linger_s is at most 5'
