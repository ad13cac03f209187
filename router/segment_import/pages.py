"""Lines of config.toml as they are made: tables, keys, and comments that nothing in an export can break out of."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import tomlkit

from router.editing.toml_values import item, written

WIDTH = 150


class Page:
    """A config.toml in the making."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self._lines).strip("\n") + "\n"

    def comment(self, words: str) -> None:
        """A comment, wrapped. Control characters are written out."""
        plain = "".join(char if char.isprintable() else " " for char in words)
        self._lines += [f"# {line}" for line in textwrap.wrap(plain, WIDTH, break_long_words=False)]

    def header(self, name: str) -> None:
        """The header of a table; one of a list of tables has an empty line above."""
        self._lines.append(name)

    def blank(self) -> None:
        """An empty line."""
        self._lines.append("")

    def key(self, name: str, value: Any, *, is_comment: bool = False) -> None:
        """A key with its value; `is_comment`: for the reader only."""
        if is_comment:
            self._lines.append(f"#{name} = {_readable(value)}")
            return
        self._lines.append(f"{tomlkit.key(name).as_string()} = {item(value).as_string()}")

    def keys(self, table: Mapping[str, Any], *, is_comment: bool = False) -> None:
        """Several of these."""
        for name, value in table.items():
            self.key(name, value, is_comment=is_comment)


def _readable(value: Any) -> str:
    """A value on one line, also one that TOML does not have."""
    try:
        return written(value)
    except (ValueError, TypeError):
        return json.dumps(value)
