"""Names of tables and columns, as Segment's warehouses have them: snake case, and within PostgreSQL's limits.

Source: https://segment.com/docs/connections/storage/warehouses/schema/
"""

from __future__ import annotations

import hashlib
import re

from plugins.postgres.settings import MAX_NAME, is_system

CALL_TABLES = {
    "identify": "identifies",
    "group": "groups",
    "track": "tracks",
    "page": "pages",
    "screen": "screens",
    "alias": "aliases",
}
"""The table of each type of call."""
USERS = "users"
OTHERS = "other_events"
"""The table of events whose names get no table any more."""
TAKEN = frozenset({*CALL_TABLES.values(), USERS, OTHERS})
"""Tables that no event of that name may have."""

SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Columns that every table has already. Source: https://www.postgresql.org/docs/current/ddl-system-columns.html"""

_SNAKE = re.compile(r"(?:[a-z0-9]|_(?=[a-z0-9]))*")
_WORDS = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")


def snake(text: str) -> str:
    """A text in snake case, byte for byte as go-snakecase makes it: ASCII only, so it can be empty.

    Source: https://github.com/segmentio/go-snakecase
    """
    found = _SNAKE.match(text)
    kept = found[0] if found else ""
    if kept == text:
        return text
    if kept[-1:].isdigit():
        kept = kept[:-1]
    return "_".join([*([kept] if kept else []), *_WORDS.findall(text[len(kept) :])]).lower()


def identifier(text: str) -> str:
    """The name of a column or table. Texts without any ASCII letter or digit get a name of their own, too."""
    name = snake(text) or f"_{_digest(text)}"
    if name[0].isdigit() or name in SYSTEM:
        name = f"_{name}"
    return _bounded(name, text)


def second(column: str, type: str) -> str:
    """The column for values of this type that the column itself cannot hold. No property has a name with two underscores."""
    return _bounded(f"{column}__{type}", f"{column}__{type}")


def event_table(event: str) -> str:
    """The table of a track call's event."""
    name = identifier(event)
    return f"_{name}" if name in TAKEN else name


def schema_of(source: str) -> str:
    """The schema of a source. PostgreSQL keeps some names to itself."""
    name = identifier(source)
    return _bounded(f"_{name}", source) if is_system(name) else name


def quoted(*names: str) -> str:
    """Names as SQL has them, whatever they hold."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _bounded(name: str, text: str) -> str:
    """Cut with a digest of the whole text: cut alone, two names could be one."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}_{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
