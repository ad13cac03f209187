"""Names that config.toml allows, made of those that people gave at Segment."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 48
"""Characters of a name; config.toml allows 64, and files of secrets are named after it."""


class Names:
    """Gives each name once."""

    def __init__(self) -> None:
        self._taken = {"all"}  # which config.toml does not allow
        self._numbers: dict[str, int] = {}  #: the last one that was tried of each name

    def give(self, wanted: str, otherwise: str) -> str:
        """A name like this one. `otherwise`: where nothing of it can be used."""
        plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:LONGEST].strip("-") or otherwise
        name, number = base, self._numbers.get(base, 1)
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        self._numbers[base] = number
        return name
