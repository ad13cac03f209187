"""A destination's `[destination.mapping]` at work: what the plugin sees of an event, a user and a group. Pure.

Compiled once at load; where a table says nothing of a place, that place costs nothing. What is given is never changed: traits
are shared by the events of a batch, so objects are copied, and only those on the way to what changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from router.config import MappingConfig
from router.config.mapping import ABSENT, Path, Rules, find, rules_of
from router.errors import ConfigError
from router.event import HAS_PROPERTIES
from router.plugin import JSON, Event, Group, UserId
from router.store.fold import is_known

Requires = Mapping[str, tuple[UserId | Group, ...]]
Keep = dict[str, "Keep | None"]
"""What `only` leaves: key -> None for all that is there, or what is left inside."""


class Rewrite(msgspec.Struct, frozen=True):
    """The rules of one place, in the order in which they are applied."""

    rename: tuple[tuple[Path, Path], ...]
    drop: tuple[Path, ...]
    set: tuple[tuple[Path, Callable[[], JSON]], ...]
    only: Keep | None

    def __call__(self, given: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """The object as the plugin sees it."""
        made = dict(given)
        # All are taken out before the first is put back, so that two traits can swap their names.
        moving = [(*pair, value) for pair in self.rename if (value := _take(made, pair[0])) is not ABSENT]
        for source, target, value in moving:
            takes_its_place = (
                is_known(value) or find(made, target) is ABSENT
            )  # null tells nothing, here as in the directory
            if takes_its_place and not _put(made, target, value):
                _put(made, source, value)
        for path in self.drop:
            _take(made, path)
        for path, constant in self.set:
            _put(made, path, constant())
        return made if self.only is None else _kept(made, self.only)


class MappingTable(msgspec.Struct, frozen=True):
    """One destination's table. None: nothing changes there."""

    properties: Rewrite | None = None
    user: Rewrite | None = None
    group: Rewrite | None = None
    #: of group traits that are needed first and that the table touches: the names under which group calls tell them, any of
    #: which will do; none where the table sets the trait, so that it is always known
    told_as: Mapping[str, tuple[str, ...]] = {}

    def event(self, event: Event) -> Event:
        """The event as the plugin sees it, its payload included; the user's traits in the payload's context too."""
        changes: dict[str, Any] = {}
        rewrite = {"identify": self.user, "group": self.group}.get(event.type)
        if rewrite is not None:
            changes["traits"] = rewrite(event.traits)
        if self.properties is not None and event.type in HAS_PROPERTIES:
            changes["properties"] = self.properties(event.properties)
        inside = dict(changes)
        context = event.payload.get("context")
        if self.user is not None and isinstance(context, dict) and isinstance(context.get("traits"), dict):
            inside["context"] = {**context, "traits": self.user(context["traits"])}
        return msgspec.structs.replace(event, **changes, payload={**event.payload, **inside}) if inside else event


def compile_mapping(config: MappingConfig, requires: Requires) -> MappingTable | None:
    """The table as functions; None where it is empty. The paths in it are without faults.

    Raises:
        ConfigError: what the plugin needs first could never be known; a problem for each such trait.
    """
    rules = rules_of(config)
    if not rules:
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
    return MappingTable(**{place: _compiled(found) for place, found in rules.items()}, told_as=told_as)


def _needed(requires: Requires) -> dict[str, list[str]]:
    """The group traits that must be known first, and before which call types."""
    needed: dict[str, list[str]] = {}
    for kind, requirements in requires.items():
        for requirement in requirements:
            for trait in requirement.traits if isinstance(requirement, Group) else ():
                needed.setdefault(trait, []).append(kind)
    return needed


def _told_as(trait: str, rules: Rules) -> tuple[str, ...]:
    """The names under which group calls tell what the plugin knows as `trait`. Raises ValueError: there is none."""
    path = (trait,)
    sources = [source for _, source, target in rules.rename if target == path]
    if any(made == path for _, made, _ in rules.set):
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


def _compiled(rules: Rules) -> Rewrite:
    return Rewrite(
        rename=tuple((source, target) for _, source, target in rules.rename),
        drop=tuple(path for _, path in rules.drop),
        set=tuple((path, _constant(value)) for _, path, value in rules.set),
        only=_tree(path for _, path in rules.only) if rules.only else None,
    )


def _constant(value: Any) -> Callable[[], JSON]:
    """Gives the value; a new list or object each time, since a plugin may change what it is given."""
    if not isinstance(value, dict | list):
        return lambda: value
    encoded = msgspec.json.encode(value)
    return lambda: msgspec.json.decode(encoded)


def _tree(paths: Iterable[Path]) -> Keep:
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


def _take(tree: dict[str, JSON], path: Path) -> JSON:
    """Take a value out of an object; ABSENT where there is none."""
    found = find(tree, path)
    if found is not ABSENT:
        del _own(tree, path)[path[-1]]
    return found


def _put(tree: dict[str, JSON], path: Path, value: JSON) -> bool:
    """Put a value into an object, making the objects that lead there. False: something else stands in the way."""
    inside: JSON = tree
    for key in path[:-1]:
        inside = inside.get(key, {})
        if not isinstance(inside, dict):
            return False
    _own(tree, path)[path[-1]] = value
    return True


def _own(tree: dict[str, JSON], path: Path) -> dict[str, JSON]:
    """The object that holds the last key of a path: a copy in place of what may be shared."""
    for key in path[:-1]:
        inside = dict(tree.get(key, ()))
        tree[key] = inside
        tree = inside
    return tree


def _kept(given: Mapping[str, JSON], keep: Keep) -> dict[str, JSON]:
    """What `only` leaves of an object; objects of which nothing is left go too."""
    found: dict[str, JSON] = {}
    for name, value in given.items():
        if name in keep:
            inside = keep[name]
            if inside is None:
                found[name] = value
            elif isinstance(value, dict) and (left := _kept(value, inside)):
                found[name] = left
    return found
