"""Comments of config.toml as they may be shown: what is commented out is masked like what is in force.

Nothing says what a comment is, so it is judged by its looks: quoted text after a key is taken for a secret, unless the key is known to
hold none. Comments of the shipped file are public, and stay word for word.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

MASK = "••••"

LONGEST = 2_000
"""A comment of more characters is masked as a whole: the time that it takes to look through one grows with the square."""

_TEXT = r"""(?:"(?:\\.|[^"\\\n])*+(?:"|\\?$)|(?<!\w)'[^'\n]*+(?:'|$))"""
_KEY = rf"(?:(?<![\w.-])[\w-]++|{_TEXT})(?:[ \t]*\.[ \t]*(?:[\w-]++|{_TEXT}))*+"

_TOML = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|(?P<comment>#[^\n]*)', re.DOTALL
)
"""Texts and comments of a valid TOML text."""

_WHOLE = re.compile(rf"(#+[ \t]*(?P<key>{_KEY})[ \t]*=[ \t]*)[^{{\s].*$")
"""A key that was commented out with its value; not a place of a secret."""

_STATEMENT = re.compile(rf"[ \t]*(?P<key>{_KEY})[ \t]*=")
_HEADER = re.compile(rf"#+[ \t]*\[+[ \t]*(?P<key>{_KEY})[ \t]*\]")

_GOES_ON = re.compile(r"#+[ \t]*[\"'\[\]{}]")
"""A value, or the rest of one that began on a line above."""

_PIECE = re.compile(
    rf"(?P<place>\{{[ \t]*(?:env|file|credential)[ \t]*=[ \t]*{_TEXT}[ \t]*\}})"
    rf"|(?P<key>{_KEY})[ \t]*(?P<sign>[=:])(?P<bare>[ \t]*[^\s\"'\[{{,}}\]#=][^,}}\]#\"']*)?"
    rf"|(?P<text>{_TEXT})|(?P<other>=|(?<=[^#])#)"
)
_LONG = re.compile(r"\"{3}|'{3}")


def masked_comments(text: str, names: Collection[str], *, is_public: bool) -> str:
    """A valid TOML text with MASK in place of what its comments seem to hold of secrets.

    Args:
        names: keys that hold secrets.
        is_public: a key that has the name of one of the router's own is that one. Among the settings of a plugin it is not.
    """
    comments, parts, at = _Comments(names, is_public), [], 0
    for found in _TOML.finditer(text):
        if found["comment"] is None:
            continue
        between = text[at : found.start()]
        parts += [between, comments.masked(found[0], between.rpartition("\n")[2], is_next=not between.strip())]
        at = found.end()
    return "".join([*parts, text[at:]])


class _Comments:
    """The comments of a section, one after the other: one may go on where the last one ended."""

    def __init__(self, names: Collection[str], is_public: bool) -> None:
        self._names, self._is_public = frozenset(names), is_public
        self._long, self._in_public = "", is_public

    def masked(self, comment: str, before: str, *, is_next: bool) -> str:
        """One of them. `before`: what stands before it on its line. `is_next`: nothing stands between it and the last one."""
        if not is_next:
            self._long, self._in_public = "", self._is_public
        if self._long:
            self._long = self._long if comment.count(self._long) % 2 == 0 else ""
            return f"# {MASK}"
        if comment.strip() in _shipped_comments():
            return comment
        if header := _HEADER.match(comment):
            self._in_public = self._is_of_the_router(header["key"])
        shortened = self._open_long(comment)
        if len(comment) > LONGEST:
            return f"# {MASK}"
        if (whole := _WHOLE.match(comment)) and self._is_secret(whole["key"]):
            return f'{whole[1]}"{MASK}"'
        statement = _STATEMENT.match(before)
        is_beside = statement is not None and self._is_secret(statement["key"])
        return self._with_pieces(shortened, is_value=is_beside or _GOES_ON.match(comment) is not None)

    def _open_long(self, comment: str) -> str:
        """The comment with a text of several lines cut off, which the next comment goes on with unless it ends here."""
        if not (found := _LONG.search(comment)):
            return comment
        self._long = found[0] if comment.count(found[0]) % 2 else ""
        return f'{comment[: found.start()]}"{MASK}"'

    def _with_pieces(self, comment: str, *, is_value: bool) -> str:
        """`is_value`: quoted text is masked also before the first key."""
        is_shown, is_public = not is_value, self._in_public and not is_value

        def piece(found: re.Match[str]) -> str:
            nonlocal is_shown, is_public
            if found["key"]:
                is_secret = self._is_secret(found["key"])
                if found["sign"] == ":" and not is_secret:
                    return _all_masked(found[0]) if not is_shown else found[0]
                is_public = is_public and self._is_of_the_router(found["key"])
                is_shown = is_public
                return _bare_masked(found) if is_secret and found["sign"] == "=" else found[0]
            if found["other"]:
                is_shown = False  # what follows is no value of the last key
                return found[0]
            return found[0] if found["place"] or is_shown else _all_masked(found[0])

        return _PIECE.sub(piece, comment)

    def _is_secret(self, key: str) -> bool:
        return not self._names.isdisjoint(_parts(key))

    def _is_of_the_router(self, key: str) -> bool:
        return not self._is_secret(key) and _own_keys().issuperset(_parts(key))


def _parts(key: str) -> list[str]:
    return [part.strip(" \t\"'") for part in key.split(".")]


def _all_masked(text: str) -> str:
    """Quoted texts masked; an empty one says nothing."""
    return re.sub(_TEXT, lambda found: found[0] if found[0] in ('""', "''") else f'"{MASK}"', text)


def _bare_masked(found: re.Match[str]) -> str:
    """A key whose value has no quotes, such as a number."""
    return f"{found['key']} = {MASK} " if found["bare"] else found[0]


@cache
def _shipped() -> str:
    return resources.files("router.config").joinpath("shipped.toml").read_text(encoding="utf-8")


@cache
def _shipped_comments() -> frozenset[str]:
    return frozenset(found[0].strip() for found in _TOML.finditer(_shipped()) if found["comment"])


@cache
def _own_keys() -> frozenset[str]:
    """Keys and tables of the router itself, in which no plugin has a say."""
    return frozenset(_keys_in(tomllib.loads(_shipped())))


def _keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "settings":
                yield key
                yield from _keys_in(inner)
    elif isinstance(value, list):
        for one in value:
            yield from _keys_in(one)
