"""A destination's `[destination.mapping]` at work: what the plugin sees of an event, a user and a group. Pure.

Compiled once at load; where a table says nothing of a place, that place costs nothing. What is given is never changed: traits
are shared by the events of a batch, so objects are copied, and only those on the way to what changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from router.config import MappingConfig
from router.config.mapping_paths import ABSENT, KeyPath, Rules, find
from router.config.mapping_rules import rules_of
from router.errors import ConfigError
from router.event import HAS_PROPERTIES
from router.plugin import JSON, Event, Group, UserId
from router.plugin_host.json_tree import put, take
from router.plugin_host.value_rules import ValueRules, compile_values
from router.privacy import Hasher
from router.traits import is_known

Requires = Mapping[str, tuple[UserId | Group, ...]]
Keep = dict[str, "Keep | None"]
"""What `only` leaves: key -> None for all that is there, or what is left inside."""


class Rewrite(msgspec.Struct, frozen=True):
    """The rules of one place, in the order in which they are applied."""

    rename: tuple[tuple[KeyPath, KeyPath], ...]
    drop: tuple[KeyPath, ...]
    set: tuple[tuple[KeyPath, Callable[[], JSON]], ...]
    values: ValueRules | None
    only: Keep | None

    def __call__(self, given: Mapping[str, JSON], *, with_defaults: bool = True) -> Mapping[str, JSON]:
        """The object as the plugin sees it. `with_defaults` False: it tells only what changed, so what it lacks is not missing."""
        made = dict(given)
        # All are taken out before the first is put back, so that two traits can swap their names.
        moving = [(*pair, value) for pair in self.rename if (value := take(made, pair[0])) is not ABSENT]
        for source, target, value in moving:
            takes_its_place = is_known(value) or find(made, target) is ABSENT  # null is no value, as in the directory
            if takes_its_place and not put(made, target, value):
                put(made, source, value)
        for path in self.drop:
            take(made, path)
        for path, constant in self.set:
            put(made, path, constant())
        if self.values is not None:
            self.values.apply(made, with_defaults=with_defaults)
        return made if self.only is None else _kept(made, self.only)


class MappingTable(msgspec.Struct, frozen=True):
    """One destination's table. None: nothing changes there."""

    properties: Rewrite | None = None
    user: Rewrite | None = None
    group: Rewrite | None = None
    event_names: Mapping[str, str] = {}  #: new names of track calls, by the old ones
    #: of group traits that are needed first and that the table touches: the names under which group calls tell them, any of
    #: which will do; none where the table sets the trait, so that it is always known
    told_as: Mapping[str, tuple[str, ...]] = {}

    def event(self, event: Event) -> Event:
        """The event as the plugin sees it, its payload included; the user's traits in the payload's context too."""
        changes: dict[str, Any] = {}
        rewrite = {"identify": self.user, "group": self.group}.get(event.type)
        if rewrite is not None:
            changes["traits"] = rewrite(event.traits, with_defaults=False)
        if self.properties is not None and event.type in HAS_PROPERTIES:
            changes["properties"] = self.properties(event.properties)
        inside = dict(changes)
        context = event.payload.get("context")
        if self.user is not None and isinstance(context, dict) and isinstance(context.get("traits"), dict):
            inside["context"] = {**context, "traits": self.user(context["traits"], with_defaults=False)}
        if event.type == "track" and (name := self.event_names.get(event.name or "")):
            changes["name"] = inside["event"] = name
        return msgspec.structs.replace(event, **changes, payload={**event.payload, **inside}) if inside else event


def compile_mapping(config: MappingConfig, requires: Requires, hasher: Hasher | None = None) -> MappingTable | None:
    """The table as functions; None where it is empty. Its paths were checked before, and that there is a hasher if it hashes.

    Raises:
        ConfigError: what the plugin needs first could never be known; a problem for each such trait.
    """
    rules = rules_of(config)
    event_names = {name: other for name, other in config.event_names.items() if other is not False}
    if not rules and not event_names:
        return None
    told_as, faults = {}, []
    if "group" in rules:
        for trait, kinds in _needed(requires).items():
            try:
                names = _told_as(trait, rules["group"])
            except ValueError as error:
                faults.append(f"group.{trait} must be known before {', '.join(kinds)}, but {error}")
            else:
                if names != (trait,):
                    told_as[trait] = names
    if faults:
        raise ConfigError(faults)
    places = {place: _compiled(found, hasher) for place, found in rules.items()}
    return MappingTable(**places, event_names=event_names, told_as=told_as)


def _needed(requires: Requires) -> dict[str, list[str]]:
    """The group traits that must be known first, and before which call types."""
    needed: dict[str, list[str]] = {}
    for kind, requirements in requires.items():
        for requirement in requirements:
            for trait in requirement.traits if isinstance(requirement, Group) else ():
                needed.setdefault(trait, []).append(kind)
    return needed


def _told_as(trait: str, rules: Rules) -> tuple[str, ...]:
    """The names in group calls that become the plugin's `trait`. Raises ValueError where there is none."""
    path = (trait,)
    sources = [source for _, source, target in rules.rename if target == path]
    if any(made == path for _, made, _ in (*rules.set, *rules.default)):
        return ()
    if nested := [source for source in sources if len(source) > 1]:
        # The directory remembers since when a trait is known, and nothing of what is inside.
        words = '"group.{}" is inside an object; only a trait of the group itself can be renamed to it'
        raise ValueError(words.format(".".join(nested[0])))
    if not any(source == path for _, source, _ in rules.rename):
        sources.append(path)
    kept = not rules.only or any(only == path for _, only in rules.only)
    if not sources or not kept or any(dropped == path for _, dropped in rules.drop):
        raise ValueError("this table leaves it out; keep it, or rename another trait to it")
    return tuple(source[0] for source in sources)


def _compiled(rules: Rules, hasher: Hasher | None) -> Rewrite:
    return Rewrite(
        rename=tuple((source, target) for _, source, target in rules.rename),
        drop=tuple(path for _, path in rules.drop),
        set=tuple((path, _constant(value)) for _, path, value in rules.set),
        values=compile_values(rules, hasher, _constant),
        only=_tree(path for _, path in rules.only) if rules.only else None,
    )


def _constant(value: Any) -> Callable[[], JSON]:
    """Gives the value. Lists and objects are new each time, because a plugin may change them."""
    if not isinstance(value, dict | list):
        return lambda: value
    encoded = msgspec.json.encode(value)
    return lambda: msgspec.json.decode(encoded)


def _tree(paths: Iterable[KeyPath]) -> Keep:
    tree: Keep = {}
    for *parents, name in paths:
        inside = tree
        for key in parents:
            below = inside.setdefault(key, {})
            assert below is not None, "paths in `only` do not overlap"
            inside = below
        inside[name] = None
    return tree


# ---------------------------------------------------------------- one object


def _kept(given: Mapping[str, JSON], keep: Keep) -> dict[str, JSON]:
    """What `only` leaves of an object. Objects that would be empty are left out."""
    found: dict[str, JSON] = {}
    for name, value in given.items():
        if name in keep:
            inside = keep[name]
            if inside is None:
                found[name] = value
            elif isinstance(value, dict) and (left := _kept(value, inside)):
                found[name] = left
    return found
