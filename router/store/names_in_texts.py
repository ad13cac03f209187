"""Whether a text names a person: what a vendor answered, an excerpt of a call, why a destination is paused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from router.store.forgotten import ids_of

SHORT = 4
"""An id of fewer characters counts only where it stands as a value: in quotes, or as a number behind a colon. Else each `1` would."""
NESTED = 2
"""JSON in a text of JSON: an answer that quotes the body it got."""
_TOKEN = re.compile(r"[\w-]+")


FEW = 20
"""So many words are looked for one by one. To take a text of 350 characters apart takes 26 us, to look for a word in it 1.7."""


class Names:
    """Finds the ids in user keys, as a text or JSON may spell them. The time for a text does not grow with the number of ids: only
    ids whose first word stands in the text are looked for."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._words = list(dict.fromkeys(spelling for name in ids_of(keys) for spelling in _spellings(name)))
        self._by_token: dict[str, list[str]] = {}
        for word in self._words:
            first = _TOKEN.search(word)
            self._by_token.setdefault(first[0] if first else "", []).append(word)

    def are_in(self, text: str) -> bool:
        """Whether a text names one of them. A short id may also be the whole of it."""
        quoted = f'"{text}"'
        return any(word in text and _pattern(word).search(quoted) for word in self._possible(text))

    def _possible(self, text: str) -> Iterable[str]:
        if len(self._words) <= FEW:
            return self._words
        tokens = self._by_token.keys() & {"", *_TOKEN.findall(text)}
        return (word for token in tokens for word in self._by_token[token])


def _spellings(name: str, nested: int = NESTED) -> Iterator[str]:
    yield name
    for is_ascii in (False, True) if nested else ():
        yield from _spellings(json.dumps(name, ensure_ascii=is_ascii)[1:-1], nested - 1)


def _pattern(word: str) -> re.Pattern[str]:
    escaped = re.escape(word)
    if len(word) < SHORT:
        return re.compile(f'"{escaped}"|:\\s*{escaped}(?=[,}}\\s"])')
    return re.compile(f"(?<![\\w-]){escaped}(?![\\w-])")
