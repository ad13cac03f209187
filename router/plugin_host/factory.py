"""Builds one Destination per `[[destination]]`: plugin found, settings checked, instance made, hooks bound."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from router.config import (
    Config,
    DestinationConfig,
    Draft,
    Operator,
    Proposal,
    examine,
    exposed_config,
    no_group_calls,
    problems_of,
)
from router.errors import ConfigError, PluginError
from router.plugin import API_VERSION, Batch, Group, Settings, UserId
from router.plugin_host import deprecated_settings, secret_types
from router.plugin_host.destination import Destination
from router.plugin_host.discovery import Found, find
from router.plugin_host.event_filter import compile_filter
from router.plugin_host.event_mapping import compile_mapping
from router.plugin_host.fault_place import fault_words
from router.plugin_host.gate_warnings import dropped_needs
from router.plugin_host.hook_binding import bind, without_context
from router.plugin_host.interruption import go_on
from router.plugin_host.kept_back import compile_consent
from router.plugin_host.redaction import Redactor
from router.plugin_host.settings_secrets import secrets_in, secrets_in_raw, with_plain_secrets
from router.plugin_host.split_rules import why_not_split
from router.plugin_host.validation import check_class, check_facts
from router.privacy import Hasher, hasher_of

GATED = ("track", "page", "screen")


class _Surroundings(NamedTuple):
    """What the destinations of a file share."""

    plugins_dir: Path | None
    state_dir: Path
    hasher: Hasher | None
    follow: bool  #: [consent] follow


def _surroundings_in(config: Config) -> _Surroundings:
    return _Surroundings(config.plugins_dir, config.state_dir, hasher_of(config.privacy), config.consent.follow)


def _surroundings_of(draft: Draft) -> _Surroundings:
    return _Surroundings(draft.plugins_dir, draft.state_dir, hasher_of(draft.privacy), draft.consent.follow)


def build(config: Config) -> list[Destination]:
    """The destinations of a Config, in its order.

    Raises:
        ConfigError: with every problem of every plugin and its settings.
    """
    problems: list[str] = []
    places = [f"destination[{index}] ({table.name})" for index, table in enumerate(config.destinations)]
    tables = list(zip(places, config.destinations, strict=True))
    destinations = _build_all(tables, _surroundings_in(config), problems)
    if problems:
        raise ConfigError(problems)
    return destinations


def rebuilt(config: Config, name: str, settings: Mapping[str, Any]) -> Destination:
    """A destination with these settings beside those that config.toml gives it, or in place of them. Its plugin is loaded anew.

    Raises:
        KeyError: there is no destination of this name.
        ConfigError: with every problem of its plugin and its settings.
    """
    table = {table.name: table for table in config.destinations}[name]
    changed = table.model_copy(update={"settings": {**table.settings, **settings}})
    return _build(name, changed, _surroundings_in(config))


def read(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    operator: Operator | None = None,
    proposal: Proposal | None = None,
) -> tuple[Config, list[Destination]]:
    """Load config.toml and build its destinations.

    Args:
        operator, proposal: who reads it, and what in place of the file; see `examine`.

    Raises:
        ConfigError: with the problems of both together: a fault in one table hides nothing of the others' settings.
    """
    draft = examine(path, environ, operator, proposal)
    problems = list(draft.problems)
    destinations = _build_all(draft.destinations, _surroundings_of(draft), problems)
    if draft.config is None or problems:
        raise ConfigError(problems)
    told = [warning for d in destinations for warning in deprecated_settings.warnings_of(d.config, type(d.settings))]
    told += [warning for d in destinations for warning in secret_types.warnings_of(d.config, type(d.settings))]
    told += [warning for d in destinations if d.is_gated for warning in no_group_calls(d.config)]
    for d in destinations:
        told += dropped_needs(draft.config.sources, d.config, d.requires, d.mapping.told_as if d.mapping else {})
    told += exposed_config(draft.path, [*draft.inline, *filter(None, map(inline_secrets, destinations))], draft.reader)
    return draft.config.model_copy(update={"warnings": (*draft.config.warnings, *told)}), destinations


def build_one(draft: Draft, name: str) -> Destination:
    """The destination of this name; what is wrong elsewhere in the file does not matter.

    Raises:
        KeyError: the file has no destination of this name.
        ConfigError: with every problem of its table, its plugin and its settings.
    """
    found = [(where, table) for where, table in draft.destinations if table.name == name]
    if not found:
        raise KeyError(name)
    where, table = found[0]
    problems = [problem for problem in draft.problems if problem.startswith((where, "plugins_dir"))]
    built = _build_all([(where, table)], _surroundings_of(draft), problems)
    if problems:
        raise ConfigError(problems)
    return built[0]


def build_around(
    plugin: type[Any], table: DestinationConfig, *, state_dir: Path = Path(), follow: bool = False
) -> Destination:
    """A destination around a class that is at hand: no entry point and no file is looked for.

    Args:
        state_dir: where a relative path of its settings begins.
        follow: [consent] follow is on.

    Raises:
        ConfigError: with every problem of the class and its settings.
    """
    surroundings = _Surroundings(None, state_dir, None, follow)
    return _around(table.name, table, Found(table.plugin, "", "", Path()), lambda: plugin, surroundings)


def _build_all(
    tables: list[tuple[str, DestinationConfig]], surroundings: _Surroundings, problems: list[str]
) -> list[Destination]:
    destinations = []
    for where, table in tables:
        go_on()
        try:
            destinations.append(_build(where, table, surroundings))
        except ConfigError as error:
            problems += error.problems
    return destinations


def _build(where: str, table: DestinationConfig, surroundings: _Surroundings) -> Destination:
    """One destination. Raises ConfigError with its problems."""
    try:
        found = find(table.plugin, surroundings.plugins_dir)
    except PluginError as error:
        raise ConfigError(_plugin_problems(where, table.plugin, error)) from error
    return _around(where, table, found, found.load, surroundings)


def _around(
    where: str, table: DestinationConfig, found: Found, load: Callable[[], type[Any]], surroundings: _Surroundings
) -> Destination:
    raw, looked_up = with_plain_secrets(table.settings)
    try:
        plugin = load()
        check_class(plugin)
    except PluginError as error:
        raise ConfigError(_plugin_problems(where, table.plugin, error)) from error
    try:
        settings: Settings = plugin.settings_model.model_validate(raw)
    except ValidationError as error:
        faults = problems_of(error, plugin.settings_model, f"{where}.settings")
        hide = Redactor([*looked_up, *secrets_in_raw(plugin.settings_model, raw)])
        parted = [fault.partition(": ") for fault in faults]
        raise ConfigError([place + colon + hide.text(words) for place, colon, words in parted]) from None
    settings = _with_absolute_paths(settings, surroundings.state_dir)
    table = deprecated_settings.moved(where, table, settings)
    # A value that was looked up is a secret, also where the plugin's setting is plain text.
    found_secrets = {secret for secret in (*secrets_in(settings), *looked_up) if secret}
    secrets = tuple(sorted(found_secrets, key=lambda s: (-len(s), s)))
    try:
        built = _assemble(table, found, plugin, settings, secrets, surroundings)
    except PluginError as error:
        words = PluginError(Redactor(secrets).text(str(error)))
        raise ConfigError(_plugin_problems(where, table.plugin, words)) from None
    except ConfigError as error:
        raise ConfigError([f"{where}.mapping: {problem}" for problem in error.problems]) from None
    _refuse_shards(where, built)
    return built


def _refuse_shards(where: str, built: Destination) -> None:
    """Raises ConfigError where it is to have several, and cannot."""
    delivery = built.config.delivery
    if delivery.shards > 1:
        reasons = why_not_split(built.plugin_name, built.hooks, delivery, is_gated=built.is_gated)
        if problems := [
            f"{where}.delivery.shards: {delivery.shards} cannot be: {reason}; leave it out" for reason in reasons
        ]:
            raise ConfigError(problems)


def _assemble(
    table: DestinationConfig,
    found: Found,
    plugin: type[Any],
    settings: Settings,
    secrets: tuple[str, ...],
    surroundings: _Surroundings,
) -> Destination:
    try:
        instance = plugin(settings)
    except BaseException as error:  # a third party's code may raise anything, SystemExit too; the operator reads it
        raise PluginError(f"cannot be made with these settings: {fault_words(error, plugin.__module__)}") from error
    check_facts(instance)
    requires = _requires(getattr(instance, "requires", {}), table.hold.require)
    return Destination(
        name=table.name,
        plugin_name=found.name,
        plugin_version=found.running_version,
        installed_version=found.version,
        api_version=API_VERSION,
        item_version=getattr(instance, "item_version", 1),
        config=table,
        instance=instance,
        settings=settings,
        secrets=secrets,
        names=frozenset(
            name.lower() for name in (table.name, *getattr(instance, "display_names", ()), *table.integrations)
        ),
        requires=requires,
        kinds=_kinds(getattr(instance, "kinds", {"": Batch()}), table.delivery.linger_s),
        hooks=bind(instance, table.name),
        redactor=Redactor(secrets),
        mapping=compile_mapping(table.mapping, requires, surroundings.hasher),
        hasher=surroundings.hasher if table.mapping.hash else None,
        consent=compile_consent(table, follow=surroundings.follow),
        filter=compile_filter(table),
        without_context=without_context(instance),
    )


def _plugin_problems(where: str, plugin: str, error: PluginError) -> list[str]:
    named = ("plugin ", "unknown plugin ")
    lines = [line if line.startswith(named) else f'plugin "{plugin}": {line}' for line in str(error).splitlines()]
    return [f"{where}.plugin: {line}" for line in lines]


def _requires(
    declared: Mapping[str, tuple[UserId | Group, ...]], require: tuple[str, ...]
) -> dict[str, tuple[UserId | Group, ...]]:
    """The plugin's requirements and, for track, page and screen, the operator's. UserId comes first, then one Group."""
    more = tuple(name.removeprefix("group.") for name in require)
    result: dict[str, tuple[UserId | Group, ...]] = {}
    for kind in {**declared, **dict.fromkeys(GATED if more else ())}:
        needs = declared.get(kind, ())
        traits = dict.fromkeys(trait for need in needs if isinstance(need, Group) for trait in need.traits)
        grouped = any(isinstance(need, Group) for need in needs)
        if more and kind in GATED:
            grouped, traits = True, traits | dict.fromkeys(trait for trait in more if trait != "id")
        merged: list[UserId | Group] = [UserId()] if UserId() in needs else []
        if grouped:
            merged.append(Group("id", *traits))
        if merged:
            result[kind] = tuple(merged)
    return result


def _kinds(declared: Mapping[str, Batch], linger_s: float) -> dict[str, Batch]:
    if linger_s <= 0:
        return dict(declared)
    return {kind: msgspec.structs.replace(batch, linger_s=linger_s) for kind, batch in declared.items()}


def _with_absolute_paths(settings: Settings, state_dir: Path) -> Settings:
    """Settings of type Path are where a plugin writes: a relative one starts at the folder for what is written."""
    paths = {name: state_dir / value for name, value in settings if isinstance(value, Path) and not value.is_absolute()}
    return settings.model_copy(update=paths) if paths else settings


def inline_secrets(destination: Destination) -> str:
    """The settings' key, where config.toml holds a secret of them itself."""
    looked_up = with_plain_secrets(destination.config.settings)[1]
    inline = {secret for secret in secrets_in(destination.settings) if secret}.difference(looked_up)
    return f"{destination.name}.settings" if inline else ""
