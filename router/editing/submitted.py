"""What a form sent back, as changes of a destination's table. A field that is as it was shown changes nothing."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from router.config import is_secret_table
from router.editing.fields import FormField
from router.editing.secret_places import NoPlace, SecretPlace, place_of
from router.editing.tables import KeyChange, differences
from router.editing.toml_values import written


class Submitted(NamedTuple):
    """What was asked."""

    changes: list[KeyChange]
    secrets: dict[Path, str]  #: by the file that each goes to
    shared: tuple[str, ...]  #: other keys of config.toml that get one of these secrets, too
    errors: dict[str, str]  #: by the name of the field

    @property
    def is_nothing(self) -> bool:
        """Whether all is as it was."""
        return not (self.changes or self.secrets or self.errors)


def read_form(
    given: Mapping[str, str], fields: Sequence[FormField], table: Mapping[str, Any], text: str, config: Path
) -> Submitted:
    """The changes that a form asks for.

    Args:
        given: the inputs by name; secrets that were typed before among them.
        table: of the destination, as config.toml has it; `name` is in it.
        text, config: of config.toml, and its path.
    """
    changes: list[KeyChange] = []
    secrets: dict[Path, str] = {}
    shared: list[str] = []
    errors: dict[str, str] = {}
    for field in fields:
        try:
            new, secret = _asked(field, given, table)
            changes += new
            if secret is not None:
                key, typed, present = secret
                place = place_of(text, config, str(table["name"]), key, present)
                place = _apart(place, secrets)
                secrets[place.path] = typed
                shared += place.shared
                if place.table is not None:
                    changes.append(KeyChange(("settings", *key), place.table))
        except (ValueError, NoPlace) as error:
            errors[field.name] = str(error)
        except RecursionError:
            errors[field.name] = "it is nested too deeply"
    return Submitted(changes, secrets, tuple(dict.fromkeys(shared)), errors)


Secret = tuple[tuple[str, ...], str, Any]
"""The key below `settings`, its new value, and what config.toml has."""


def _asked(
    field: FormField, given: Mapping[str, str], table: Mapping[str, Any]
) -> tuple[list[KeyChange], Secret | None]:
    if field.kind == "new_secret":
        return [], _new_secret(field, given)
    if field.kind == "secret":
        value = given.get(field.name, "").strip()
        if value:
            return [], (field.path[1:], _one_line(value), field.table)
        is_cleared = given.get(f"clear.{field.name}") == "on" and field.is_set
        return ([KeyChange(field.path, None)] if is_cleared else []), None
    text = _submitted(field, given)
    if text is None or text == field.value:
        return [], None
    if field.name == "mapping":
        return differences(table.get("mapping", {}), _mapping(text), ("mapping",)), None
    return [KeyChange(field.path, _value(field, text))], None


def _submitted(field: FormField, given: Mapping[str, str]) -> str | None:
    """What a field holds now; None where the form did not have it."""
    if field.kind == "many":
        if field.name not in given:
            return None
        return "\n".join(one for one in field.choices if given.get(f"{field.name}.{one}") == "on")
    text = given.get(field.name)
    if text is None or field.kind == "file_only":
        return None
    text = text.replace("\r\n", "\n")
    if field.kind == "area":
        return field.value if text.rstrip("\n") == field.value.rstrip("\n") else text
    return text if field.kind in ("lines", "whole_lines", "toml") else text.strip()


def _value(field: FormField, text: str) -> Any:
    """The value that a text stands for; None: the key is left out. Raises ValueError."""
    if field.kind == "bool":
        return text == "on"
    if field.kind == "choice":
        if text not in field.choices:
            raise ValueError(f"choose one of {', '.join(field.choices)}")
        return text
    if field.kind in ("many", "lines"):
        return [written(line.strip()) and line.strip() for line in text.split("\n") if line.strip()]
    if field.kind == "whole_lines":
        return [_whole(line.strip()) for line in text.split("\n") if line.strip()]
    if not text.strip():
        return "" if field.kind in ("text", "area") and not field.default and not field.is_required else None
    if field.kind == "whole":
        return _whole(text)
    if field.kind == "number":
        return _number(text)
    if field.kind == "toml":
        return _toml(text)
    written(text)
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError("write a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("write a number") from None
    if not math.isfinite(value):
        raise ValueError("write a number")
    return value


def _toml(text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text.strip()}\n")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not a value of TOML: {error}") from None
    if list(read) != ["value"]:
        raise ValueError("write one value of TOML, and nothing after it")
    return _without_places(read["value"])


def _mapping(text: str) -> dict[str, Any]:
    try:
        return dict(_without_places(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None


def _without_places(value: Any) -> Any:
    """The value. Raises ValueError where it names the place of a secret: a form must not choose which file is read."""
    if is_secret_table(value):
        raise ValueError("where a secret is kept is chosen in config.toml, not here")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for one in inner:
        _without_places(one)
    return value


def _new_secret(field: FormField, given: Mapping[str, str]) -> Secret | None:
    name, value = given.get(f"{field.name}name", "").strip(), given.get(f"{field.name}value", "").strip()
    if not name and not value:
        return None
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
        raise ValueError("its name: use letters, digits, - and _")
    if not value:
        raise ValueError(f"{name}: give it a value")
    return (*field.path[1:], name), _one_line(value), None


def _one_line(secret: str) -> str:
    try:
        secret.encode()
    except UnicodeEncodeError:
        raise ValueError("it has a character that cannot be written") from None
    return secret.replace("\r\n", "\n")


def _apart(place: SecretPlace, taken: Mapping[Path, str]) -> SecretPlace:
    """The place, with another name where a secret of the same form goes there."""
    if place.table is None or place.path not in taken:
        return place
    number = 2
    while (path := place.path.with_name(f"{place.path.name}_{number}")) in taken or path.exists():
        number += 1
    return place._replace(path=path, table={"file": f"{place.table['file']}_{number}"})
