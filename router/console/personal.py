"""Personal data on the pages: masked until somebody asks to see it, and that is logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from router.console.console import Console
from router.console.guard import checked_form, session_mark
from router.console.words import pretty
from router.explain.whereabouts import Whereabouts, where
from router.logger import to_paste
from router.personal_data.mask import masked, words_masked

FIRST = ("name", "firstName", "lastName", "email", "phone", "company", "title")
"""Traits that are shown in front of the others."""
MOST = 40
MAX_TEXT = 300


async def reveal(console: Console, request: web.Request, whose: str) -> None:
    """Take the form that asks to see the traits. Raises as `checked_form` does."""
    await checked_form(console, request)
    session = session_mark(request)
    console.log.emit("personal_data_shown", session=session, user_key=whose, via="console")


def shown_traits(traits: Mapping[str, Any] | None, mask: str) -> list[tuple[str, str]]:
    """Traits as a page shows them, those that people look for first."""
    known = traits or {}
    names = [name for name in FIRST if name in known] + sorted(name for name in known if name not in FIRST)
    return [(name, masked(_text(known[name]), mask)[:MAX_TEXT]) for name in names[:MOST]]


def hides_anything(traits: Mapping[str, Any] | None, mask: str) -> bool:
    """Whether the mask hides something of these."""
    return shown_traits(traits, mask) != shown_traits(traits, "none")


def full_name(traits: Mapping[str, Any] | None) -> str:
    """What the person or the group is called, as far as their traits tell."""
    known = traits or {}
    name = known.get("name")
    if not isinstance(name, str) or not name.strip():
        name = " ".join(part for key in ("firstName", "lastName") if isinstance(part := known.get(key), str))
    return name.strip()[:MAX_TEXT]


def whereabouts(destinations: Mapping[str, Mapping[str, Any]], mask: str) -> list[Whereabouts]:
    """Where events are at each destination. A vendor may repeat an address in its answer, so those are masked in what it says."""
    return [
        place._replace(
            command=to_paste(place.command) if place.command else "",
            causes=[
                cause._replace(sentence=words_masked(cause.sentence, mask), more=words_masked(cause.more, mask))
                for cause in place.causes
            ],
        )
        for place in (where(name, told) for name, told in destinations.items())
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else pretty(value)
