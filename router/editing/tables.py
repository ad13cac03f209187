"""Changes of the `[[destination]]` tables of config.toml, as text in and text out.

Only the sections of the destination concerned are written anew, by tomlkit. What comes out is read again and held against what was
wanted: where both differ, nothing is given out.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tomlkit
import tomlkit.exceptions

from router.editing.sections import Section, cut, parted
from router.editing.toml_values import item, written

DESTINATION = "destination"


class CannotEdit(Exception):
    """The file has a form that cannot be changed by program without touching other things."""

    def __init__(self) -> None:
        super().__init__("config.toml is written in a form that cannot be changed here; change it in an editor")


class KeyChange(NamedTuple):
    """One key of a destination's table."""

    path: tuple[str, ...]  #: `("settings", "api_key")`
    value: Any  #: None: the key is removed


def changed(text: str, name: str, changes: Sequence[KeyChange]) -> str:
    """The text with these keys of a destination set or removed.

    Raises:
        KeyError: there is no destination of this name.
        CannotEdit: the form of the file does not allow it.
    """
    wanted = tomllib.loads(text)
    table = wanted[DESTINATION][_index(wanted, name)]
    for change in changes:
        _apply(table, change)
    sections = cut(text)
    first, last = _span(sections, _index(wanted, name))
    own = sections[first:last]
    for change in changes:
        own = _with_change(own, change)
    return _verified(_joined([*sections[:first], *own, *sections[last:]]), wanted)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[KeyChange]:
    """The changes from one table to another, key by key, also in the tables within: so their comments stay."""
    found = [KeyChange((*path, key), None) for key in old if key not in new]
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found += differences(before, value, (*path, key))
        elif key not in old or before != value or type(before) is not type(value):
            found.append(KeyChange((*path, key), value))
    return found


def added(text: str, table: Mapping[str, Any]) -> str:
    """The text with one more destination at its end. Tables in the table get headers of their own. Raises CannotEdit."""
    wanted = tomllib.loads(text)
    wanted[DESTINATION] = [*wanted.get(DESTINATION, []), copy.deepcopy(dict(table))]
    lines = [f"[[{DESTINATION}]]\n", *(_line(k, v) for k, v in table.items() if not isinstance(v, Mapping))]
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            lines += [f"[{DESTINATION}.{tomlkit.key(key).as_string()}]\n", *(_line(k, v) for k, v in inner.items())]
    before = text if not text or text.endswith("\n") else text + "\n"
    return _verified(before + ("\n" if before.strip() else "") + "".join(lines), wanted)


def removed(text: str, name: str) -> str:
    """The text without this destination. Comments that stand apart below it stay. Raises KeyError, CannotEdit."""
    wanted = tomllib.loads(text)
    index = _index(wanted, name)
    del wanted[DESTINATION][index]
    if not wanted[DESTINATION]:
        del wanted[DESTINATION]
    sections = cut(text)
    first, last = _span(sections, index)
    tail = parted(sections[last - 1].body)[1]
    before = _joined(sections[:first]).rstrip("\n")
    after = tail.strip("\n") + ("\n" if tail.strip() else "") + _joined(sections[last:])
    return _verified(before + ("\n\n" if before and after else "\n") + after, wanted)


def table_of(text: str, name: str) -> dict[str, Any]:
    """The table of a destination, as the file has it. Raises KeyError."""
    raw = tomllib.loads(text)
    found: dict[str, Any] = raw[DESTINATION][_index(raw, name)]
    return found


def text_of(text: str, name: str) -> str:
    """The lines of a destination. Raises KeyError, CannotEdit."""
    sections = cut(text)
    first, last = _span(sections, _index(tomllib.loads(text), name))
    return _joined(sections[first:last]).strip("\n") + "\n"


def body_of(text: str, name: str, key: str) -> str:
    """What stands in an inner table of a destination, with its comments: one line a key."""
    sections = cut(text)
    first, last = _span(sections, _index(tomllib.loads(text), name))
    own = [section for section in sections[first:last] if section.path[:2] == (DESTINATION, key)]
    if len(own) == 1 and own[0].path == (DESTINATION, key):
        return parted(own[0].body)[0]
    return "".join(_line(k, v) for k, v in table_of(text, name).get(key, {}).items())


def _index(raw: Mapping[str, Any], name: str) -> int:
    tables = raw.get(DESTINATION, [])
    for index, table in enumerate(tables):
        if table.get("name") == name:
            return index
    raise KeyError(name)


def _span(sections: Sequence[Section], index: int) -> tuple[int, int]:
    """Which sections are those of this destination: from the first up to, and without, the last. Raises CannotEdit."""
    starts = [at for at, section in enumerate(sections) if section.path == (DESTINATION,) and section.is_element]
    if index >= len(starts):
        raise CannotEdit
    first = last = starts[index]
    while (last := last + 1) < len(sections) and sections[last].path[0] == DESTINATION and last not in starts:
        pass
    return first, last


def _with_change(own: list[Section], change: KeyChange) -> list[Section]:
    """The sections of a destination with one change."""
    places = [(at, section) for at, section in enumerate(own) if _holds(section, change.path)]
    if not places:
        raise CannotEdit
    at, section = max(places, key=lambda place: len(place[1].path))
    rest = change.path[len(section.path) - 1 :]
    body, tail = parted(section.body)
    if body and not body.endswith("\n"):
        body += "\n"
    if len(rest) > 1 and rest[0] not in _parsed(body) and change.value is not None:
        return [*own[:-1], *_with_new_section(own[-1], (*section.path, *rest[:-1]), rest[-1], change.value)]
    changed_body = _edited(body, rest, change.value)
    return [*own[:at], section._replace(body=changed_body + tail), *own[at + 1 :]]


def _with_new_section(last: Section, path: tuple[str, ...], key: str, value: Any) -> list[Section]:
    """The last section of a destination, and one more for this key."""
    body, tail = parted(last.body)
    whole = body if body.endswith("\n") else body + "\n"
    header = ".".join(tomlkit.key(part).as_string() for part in path)
    return [last._replace(body=whole), Section(path, False, f"[{header}]\n", _line(key, value) + tail)]


def _holds(section: Section, path: tuple[str, ...]) -> bool:
    """Whether a key of this path may stand below this header."""
    inner = section.path[1:]
    return path[: len(inner)] == inner and len(inner) < len(path)


def _edited(body: str, path: tuple[str, ...], value: Any) -> str:
    document = _parsed(body)
    inner: Any = document
    for key in path[:-1]:
        if key not in inner:
            if value is None:
                return body
            inner[key] = tomlkit.inline_table()
        inner = inner[key]
    if value is not None:
        inner[path[-1]] = item(value)
    elif path[-1] in inner:
        del inner[path[-1]]
    return tomlkit.dumps(document)


def _parsed(body: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(body)
    except tomlkit.exceptions.TOMLKitError:
        raise CannotEdit from None


def _apply(table: dict[str, Any], change: KeyChange) -> None:
    """The same change on plain data."""
    inner: Any = table
    for key in change.path[:-1]:
        if key not in inner and change.value is None:
            return
        inner = inner.setdefault(key, {})
    if change.value is None:
        inner.pop(change.path[-1], None)
    else:
        inner[change.path[-1]] = copy.deepcopy(change.value)


def _verified(text: str, wanted: Mapping[str, Any]) -> str:
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise CannotEdit from None
    if read != wanted:
        raise CannotEdit
    return text


def _line(key: str, value: Any) -> str:
    return f"{tomlkit.key(key).as_string()} = {written(value)}\n"


def _joined(sections: Sequence[Section]) -> str:
    return "".join(section.text for section in sections)
