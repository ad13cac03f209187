"""What is in force, key by key: the value, where it comes from, and what another config.toml would change. Never a secret."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from router.config import Config, DestinationConfig, is_secret_table
from router.config.as_written import as_written, default_of, unit_of
from router.config.model import Section
from router.config.secrets import place_of
from router.editing.lines import KeyPath, lines_of
from router.editing.masking import FIXED, is_path
from router.plugin_host import Destination
from router.plugin_host.shown_settings import DEFAULT, IN_FILE, setting_of, spellings
from router.vocabulary import MASK

SECTIONS: Mapping[str, type[Section]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""The tables of config.toml that there are once, by name."""

_ABSENT = object()


class KeyValue(NamedTuple):
    """A key with what is in force."""

    key: str  #: `server.listen`, `source.website.rate`, `destination.braze.settings.api_key`
    value: Any  #: as config.toml would have it; MASK for a secret; None: not set
    origin: str  #: `default`, `config.toml`, or the place of a secret: `env NAME`, `file PATH`, `credential NAME`
    line: int | None  #: of config.toml, where the key stands there
    compared: Any  #: what decides whether two are the same. May be a secret: not for anybody's eyes

    def __repr__(self) -> str:
        return f"KeyValue({self.key!r}, {self.value!r}, {self.origin!r}, {self.line!r})"


class KeyChange(NamedTuple):
    """A key whose value would be another one. A secret is MASK on both sides, so all that is told of it is that it changes."""

    key: str
    change: Literal["added", "removed", "changed"]
    old: Any
    new: Any
    needs: Literal["", "restart", "confirmation"] = ""  #: what a reload alone cannot do


def key_values(config: Config, destinations: Iterable[Destination]) -> list[KeyValue]:
    """All keys of a configuration, in the order of the reference."""
    return list(_Listing(config).all(destinations))


def below(values: Iterable[KeyValue], key: str) -> list[KeyValue]:
    """A key and those below it; all of them for an empty key."""
    return [one for one in values if not key or f"{one.key}.".startswith(f"{key}.")]


def shown(values: Iterable[KeyValue]) -> list[dict[str, Any]]:
    """These as people and programs may see them: `key`, `value`, `origin`, `line`."""
    return [{"key": one.key, "value": one.value, "origin": one.origin, "line": one.line} for one in values]


def key_changes(old: Iterable[KeyValue], new: Iterable[KeyValue]) -> list[KeyChange]:
    """What differs. Of a source or destination that comes or goes, the keys that its table sets."""
    before, after = {one.key: one for one in old}, {one.key: one for one in new}
    found = []
    for key in {**before, **after}:
        was, will = before.get(key), after.get(key)
        if was is None or will is None:
            only = will or was
            if only is not None and only.origin != DEFAULT:
                what: Literal["added", "removed"] = "added" if was is None else "removed"
                found.append(KeyChange(key, what, was and was.value, will and will.value))
        elif was.compared != will.compared:
            found.append(KeyChange(key, "changed", was.value, will.value))
    return found


class _Listing:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._raw = tomllib.loads(config.text)
        self._lines = lines_of(config.text)

    def all(self, destinations: Iterable[Destination]) -> Iterator[KeyValue]:
        folder = self._config.plugins_dir
        yield self._leaf("plugins_dir", ("plugins_dir",), "" if folder is None else str(folder), "", "")
        for name in SECTIONS:
            yield from self._table(name, (name,), getattr(self._config, name))
        places = _places(self._raw)
        for source in self._config.sources:
            yield from self._table(f"source.{source.name}", places.get(("source", source.name), ()), source)
        for destination in destinations:
            path = places.get(("destination", destination.name), ())
            yield from self._table(f"destination.{destination.name}", path, destination.config, destination)

    def _table(
        self, name: str, path: KeyPath, table: Section, destination: Destination | None = None
    ) -> Iterator[KeyValue]:
        for attribute, field in type(table).model_fields.items():
            key, inner = field.alias or attribute, getattr(table, attribute)
            below = (*path, key)
            if isinstance(inner, Section):
                yield from self._table(f"{name}.{key}", below, inner)
            elif destination and isinstance(table, DestinationConfig) and key == "settings":
                yield from self._settings(name, path, destination)
            else:
                found = self._leaf(f"{name}.{key}", below, as_written(inner, unit_of(field)), default_of(field), inner)
                yield found._replace(compared=self._compared(found, destination))

    def _settings(self, name: str, path: KeyPath, destination: Destination) -> Iterator[KeyValue]:
        for attribute, field in type(destination.settings).model_fields.items():
            keys = spellings(destination, attribute, field)
            value, origin, _ = setting_of(attribute, field, destination, destination.config)
            found = next((line for key in keys if (line := self._line((*path, "settings", key)))), None)
            line = None if origin == DEFAULT else found
            compared = getattr(destination.settings, attribute)
            yield KeyValue(f"{name}.settings.{keys[0]}", value, origin, line, compared)

    def _leaf(self, name: str, path: KeyPath, value: Any, default: Any, compared: Any) -> KeyValue:
        raw = self._at(path)
        is_fixed = tuple(part for part in path if isinstance(part, str))[:2] in FIXED
        is_secret = is_fixed and not (path == ("store", "url") and is_path(compared))
        value = MASK if is_secret and compared else value
        if raw is _ABSENT:
            return KeyValue(name, value, DEFAULT if value == default else IN_FILE, None, compared)
        origin = _place(raw) if is_secret else IN_FILE
        if not is_secret and path != ("store", "url"):  # which is shown where it is
            value = as_written(raw)
        return KeyValue(name, value, origin, self._line(path), compared)

    def _compared(self, found: KeyValue, destination: Destination | None) -> Any:
        """What a key also stands for: its plugin's version, the content of its plan."""
        parts = found.key.split(".")
        if destination and parts[2:] == ["plugin"]:
            return found.compared, destination.plugin_version
        if parts[0] == "source" and parts[2:] == ["plan"]:
            return found.compared, self._config.plans.get(parts[1])
        return found.compared

    def _at(self, path: KeyPath) -> Any:
        value: Any = self._raw
        try:
            for part in path:
                value = value[part]
        except (KeyError, TypeError):
            return value if path == ("console", "enabled") and isinstance(value, bool) else _ABSENT
        return value

    def _line(self, path: KeyPath) -> int | None:
        """The line of a key, or of what holds it. None for a key of no table."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


def _place(raw: Any) -> str:
    """Where secrets come from that config.toml gives like this."""
    tables = [one for one in (raw if isinstance(raw, list) else [raw]) if is_secret_table(one)]
    return ", ".join(map(place_of, tables)) or IN_FILE


def _places(raw: Mapping[str, Any]) -> dict[tuple[str, str], KeyPath]:
    """Where the table of each source and destination stands, by its name."""
    return {
        (kind, str(table.get("name"))): (kind, number)
        for kind in ("source", "destination")
        for number, table in enumerate(raw.get(kind, []))
    }
