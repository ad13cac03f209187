"""Values as TOML text. Nothing that a value holds can end it: each is read again before it is given out."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import Item


def item(value: Any) -> Item:
    """A value for a key: text of several lines as such, tables and lists in one line.

    Raises:
        ValueError: it cannot be written in TOML.
    """
    text = _in_lines(value) if isinstance(value, str) and "\n" in value else None
    return tomlkit.value(text or written(value))


def written(value: Any) -> str:
    """A value on one line. Raises ValueError where it cannot be written in TOML."""
    text = _text(value)
    if not _reads_as(text, value):
        raise ValueError("this value cannot be written in TOML")
    return text


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{tomlkit.key(key).as_string()} = {_text(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return str(tomlkit.item(value).as_string())


def _in_lines(value: str) -> str | None:
    """A text between three quotes; None where that is not the same text."""
    text = '"""\n' + value.replace("\\", "\\\\") + '"""'
    return text if _reads_as(text, value) else None


def _reads_as(text: str, value: Any) -> bool:
    try:
        read = tomllib.loads(f"value = {text}\n")
        text.encode()
    except (tomllib.TOMLDecodeError, UnicodeEncodeError):
        return False
    return read == {"value": value} and type(read["value"]) is type(value)
