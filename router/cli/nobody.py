"""What the command line says of a person of whom it found no event: whom else it may be, and where the events may be."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from router.cli.data_source import DataSource
from router.cli.endpoint import program
from router.cli.lazy import lazy
from router.cli.options import Common, hint
from router.explain import search_phrases

if TYPE_CHECKING:
    from router import event
else:
    event = lazy("router.event")


def nothing_of(user: str, data: DataSource, common: Common, *, is_all: bool) -> list[str]:
    """Sentences for an empty list. `is_all`: all events of this person were asked for, not some of them."""
    key, ask = event.parse_user(user), f"{program()} events --user"
    whom = event.show_user_key(key)
    if not is_all and data.events({"user": user}, None, 1)["items"]:
        return [
            search_phrases.nothing_of(whom, " that was asked for"),
            f"all of theirs: `{ask} {shlex.quote(user)}{hint(common)}`",
        ]
    lines = [search_phrases.nothing_of(whom, "")]
    visitor = f"anonymous:{key[2:]}"
    if key.startswith("u:") and data.events({"user": visitor}, None, 1)["items"]:
        line = f"`{ask} {shlex.quote(visitor)}{hint(common)}`"
        return [*lines, f"there are events of {visitor}: {line}"]
    return [*lines, *search_phrases.nobody(f"{program()} discards{hint(common)}")]
