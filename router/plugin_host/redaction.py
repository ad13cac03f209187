"""Takes a destination's secrets out of what is shown or stored: those of config.toml, and those that its plugin got at run time.

What a plugin reads is not masked: a token endpoint may answer with the very token that is configured.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator

from router.plugin_host.secret_forms import base64_forms_of, forms_of
from router.plugin_host.secret_parts import MIN_PART, parts_of
from router.vocabulary import MASK

MAX_TOLD = 32
"""Secrets of run time that are kept; the one that was told longest ago falls out."""
MAX_TOLD_LENGTH = 8192
"""Characters of such a secret. With all its forms it takes some ten times as much memory."""
MIN_SECRET = 3
"""Characters from which on a secret of the settings is masked. A shorter one is in every text, and the gaps would show it."""
MIN_BEGINNING = 4
"""Characters from which on the beginning of a secret is masked where a text was cut."""
MAX_CLEAN = 256
MAX_CUTS = 16
_CUT = "…"
"""`excerpt` ends a text with it that it has cut."""
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
Span = tuple[int, int]


class Redactor:
    """Replaces every secret by `***`.

    A text may be cut before it is masked: the beginning of a secret at its end, or before a `…`, is masked as well.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        configured = _Forms(secret for secret in secrets if len(secret) >= MIN_SECRET)
        configured.compile()
        self._configured = configured
        self._told: dict[str, _Forms] = {}
        self._clean: set[str] = set()
        self._adding = threading.Lock()

    def add(self, secret: str) -> None:
        """Mask this one, too: its plugin got it at run time. Below MIN_PART characters it is not masked.

        Raises:
            TypeError: it is no text.
            ValueError: it is longer than MAX_TOLD_LENGTH.
        """
        if not isinstance(secret, str):
            raise TypeError(f"a secret is {type(secret).__name__}: want text")
        if len(secret) > MAX_TOLD_LENGTH:
            raise ValueError(f"a secret has {len(secret)} characters: at most {MAX_TOLD_LENGTH} can be masked")
        if len(secret) < MIN_PART or secret == next(reversed(self._told), None):
            return
        with self._adding:
            told = dict(self._told)  # another thread may be masking a line of the log
            forms = told.pop(secret) if secret in told else _Forms((secret,))
            told[secret] = forms  # now the newest
            while len(told) > MAX_TOLD:
                del told[next(iter(told))]
            self._told, self._clean = told, set()

    def text(self, text: str) -> str:
        """The text without secrets."""
        ends = _ends(text)
        spans = [span for forms in self._known() for span in (*forms.whole(text), *forms.cut_off(text, ends))]
        return _masked(text, sorted(spans)) if spans else text

    def word(self, word: str) -> str:
        """A reason without secrets. Short secrets stay: `status_401` says what follows. What had none is remembered."""
        if word in self._clean:
            return word
        spans = [span for forms in self._known() for span in forms.whole(word) if span[1] - span[0] >= MIN_PART]
        if spans:
            return _masked(word, sorted(spans))
        if len(self._clean) < MAX_CLEAN:
            self._clean.add(word)
        return word

    def bytes(self, data: bytes) -> bytes:
        """The same for bytes, read as UTF-8."""
        text = data.decode("utf-8", "surrogateescape")
        masked = self.text(text)
        return data if masked is text else masked.encode("utf-8", "surrogateescape")

    def _known(self) -> tuple[_Forms, ...]:
        return (self._configured, *self._told.values())


class _Forms:
    """What is looked for of some secrets: the forms that hold no other form. A larger one is looked at where such a needle was
    found: most texts hold none of them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._larger: dict[str, list[tuple[int, str]]] = {}
        self._base64: set[str] = set()
        self._beginnings: dict[str, list[str]] = {}
        for secret in secrets:
            self._add(secret)
        beginnings = (form for forms in self._beginnings.values() for form in forms)
        self._longest = max(map(len, beginnings), default=0)
        self._needle: re.Pattern[str] | None = None
        self._beginning: re.Pattern[str] | None = None

    def _add(self, secret: str) -> None:
        parts = parts_of(secret)
        every = (secret, *sorted(parts))
        base64 = {form for one in every for form in base64_forms_of(one)}
        needles: list[str] = []
        for form in sorted(base64.union(*map(forms_of, every)), key=lambda form: (len(form), form)):
            within = [needle for needle in needles if needle in form]
            for needle in within:
                self._larger[needle].append((form.find(needle), form))
            if not within:
                needles.append(form)
                self._larger.setdefault(form, [])
        self._base64 |= base64.intersection(needles)
        # Where a secret has parts, they are the secret: `https://host` or `Bearer` at the end of a text gives nothing away.
        for one in parts or (secret,):
            for form in (*forms_of(one), *base64_forms_of(one)):
                if len(form) >= MIN_PART:
                    self._beginnings.setdefault(form[:MIN_BEGINNING], []).append(form)

    def compile(self) -> None:
        """Look for all needles at once. It takes milliseconds: too long for what comes at run time."""
        self._needle, self._beginning = _any_of(self._larger), _any_of(self._beginnings)

    def whole(self, text: str) -> Iterator[Span]:
        """Where a secret stands."""
        for at, needle in _occurrences(self._larger, self._needle, text, 0, len(text)):
            end = at + len(needle)
            yield at, end
            if needle in self._base64:  # the characters beside it hold bits of it, too
                yield at - (text[at - 1 : at] in _BASE64), end + (text[end : end + 1] in _BASE64)
            for before, form in self._larger[needle]:
                if before <= at and text.startswith(form, at - before):
                    yield at - before, at - before + len(form)

    def cut_off(self, text: str, ends: Iterable[int]) -> Iterator[Span]:
        """Where the beginning of one stands before a cut."""
        for end in ends:
            first = max(0, end - self._longest)
            for at, beginning in _occurrences(self._beginnings, self._beginning, text, first, end):
                if any(form.startswith(text[at:end]) for form in self._beginnings[beginning]):
                    yield at, end


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Finds any of these words, the longest first; never anything where there are none."""
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, longest_first)) if longest_first else "(?!)")


def _occurrences(
    words: Iterable[str], pattern: re.Pattern[str] | None, text: str, first: int, end: int
) -> Iterator[tuple[int, str]]:
    """Where these words stand, also where they overlap. `pattern`: of all of them."""
    if pattern is not None:
        found = pattern.search(text, first, end)
        while found is not None:
            yield found.start(), found[0]
            found = pattern.search(text, found.start() + 1, end)
        return
    for word in words:
        at = text.find(word, first, end)
        while at >= 0:
            yield at, word
            at = text.find(word, at + 1, end)


def _ends(text: str) -> list[int]:
    """Where the text may have been cut: at its end, and before the last few marks. A vendor may write thousands of them."""
    ends = [len(text)]
    at = text.rfind(_CUT)
    while at >= 0 and len(ends) < MAX_CUTS:
        ends.append(at)
        at = text.rfind(_CUT, 0, at)
    return ends


def _masked(text: str, spans: list[Span]) -> str:
    """The text with one mask for each run of overlapping spans, which are sorted."""
    pieces, written = [], 0
    begin, end = spans[0]
    for first, last in [*spans[1:], (len(text) + 1, 0)]:
        if first < end:
            end = max(end, last)
            continue
        pieces += [text[written:begin], MASK]
        written, begin, end = end, first, last
    return "".join([*pieces, text[written:]])
