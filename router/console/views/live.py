"""Every event, newest first, with what became of it at each destination."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from router.clock import to_iso
from router.console.console import Console
from router.console.guard import redirect
from router.console.live_rows import Row
from router.console.live_tail import MOST_ROWS, NOWHERE, Tail
from router.console.rendered import Rendered
from router.duplicates import Repeated
from router.event import TYPES, parse_user
from router.event_search import KEYS, parse_filter
from router.explain.event_phrases import DUPLICATE
from router.explain.search_phrases import left_out, nothing_found
from router.store import EventQuery
from router.vocabulary import EventState

OF_NO_DISCARD = ("company", "name", "state", "reason")
"""Filters that say nothing of a discard."""

LATE_MS = 3_000
"""Rows that are older than this say so."""


class Filter(NamedTuple):
    """One that is set, and the address of the page without it."""

    key: str
    value: str
    without: str


async def live(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The page. `pause=1` lets it stand still in front of a position; `show=discards` mixes in what could not be used, and
    `show=only` shows nothing else."""
    words = {key: value for key in KEYS if (value := request.query.get(key, "").strip())}
    before, is_paused = _position(request.query.get("before", "")), request.query.get("pause") == "1"
    values = _of_the_form(console, request, words)
    which, words, problem = _parsed(words, values["destinations"], console.daemon.now_ms)
    if is_paused and before is None and not problem:
        found = await console.answers.newest(NOWHERE, None, 1)
        return redirect(_address(request, pause="1", before=str(found["head"] + 1)))
    tail = await _tail(console, words, which, before if is_paused else None)
    events = [] if values["shows_only"] else list(tail.rows)
    oldest = tail.rows[-1].at if tail.is_full and events else ""
    discards = await _discards(console, words, which, oldest) if values["shows_discards"] else []
    rows = await _rows(console, events, discards)
    return Rendered(
        "live.html",
        "Live",
        {
            **values,
            "problem": problem,
            "tail": tail,
            "is_late": console.daemon.now_ms - tail.seen_ms > LATE_MS,
            "left_out": left_out(tail.per_s, tail.every, tail.left_out),
            "nothing": nothing_found(
                bool(words),
                words.get("since"),
                tail.searched_to,
                with_discards=values["shows_discards"] and not values["hides_discards"],
            ),
            "older": None
            if tail.next is None or values["shows_only"]
            else _address(request, pause="1", before=str(tail.next)),
        },
        400 if problem else 200,
        is_live=not problem,
        rows=rows,
    )


def _parsed(
    words: Mapping[str, str], destinations: Collection[str], now_ms: int
) -> tuple[EventQuery, dict[str, str], str]:
    """The filter, the words that it was made from, and what is wrong with the others."""
    good = dict(words)
    problems: list[str] = []
    while True:
        try:
            return parse_filter(good, destinations, now_ms), good, "; ".join(problems)
        except ValueError as error:
            key = str(error).partition(":")[0]
            good = {one: value for one, value in good.items() if one != key} if key in good else {}
            problems.append(str(error))


def _of_the_form(console: Console, request: web.Request, words: Mapping[str, str]) -> dict[str, Any]:
    """What the head of the page shows, whatever was found."""
    runners = console.daemon.runners
    is_paused = request.query.get("pause") == "1"
    return {
        "words": words,
        "problem": "",
        "tail": None,
        "sources": [source.name for source in console.daemon.config.sources],
        "types": sorted(TYPES),
        "states": [
            ("at any destination" if not at else f"at {at[1:]}", [state + at for state in EventState])
            for at in ("", *(f"@{name}" for name in runners))
        ],
        "destinations": list(runners),
        "is_paused": is_paused,
        "shows_discards": request.query.get("show") in ("discards", "only"),
        "shows_only": request.query.get("show") == "only",
        "hides_discards": [key for key in OF_NO_DISCARD if key in words],
        "filters": [Filter(key, value, _address(request, **{key: None})) for key, value in words.items()],
        "pause": _address(request, pause="1", before=None),
        "go_on": _address(request, pause=None, before=None),
        "is_filtered": bool(words),
    }


async def _tail(console: Console, words: Mapping[str, str], which: EventQuery, before: int | None) -> Tail:
    modes = _modes(console)
    key = (tuple(sorted(words.items())), before, tuple(modes.items()))
    return await console.tails.fresh(
        key,
        lambda: Tail(
            which, before, console.answers.newest_together, lambda: console.daemon.now_ms, console.tails.rows(modes)
        ),
        which.since,
    )


def _modes(console: Console) -> dict[str, str]:
    """Of the destinations, in their order."""
    return {name: runner.destination.config.mode for name, runner in console.daemon.runners.items()}


async def _discards(
    console: Console, words: Mapping[str, str], which: EventQuery, oldest: str
) -> Sequence[Mapping[str, Any]]:
    """The newest ones and the newest duplicates that pass the filters, no older than the `oldest` event that is shown. Of what a discard says
    only its first words are kept: of a user those are shown that are named there."""
    if any(key in words for key in OF_NO_DISCARD):
        return []
    items = (await console.daemon.store.input_reports.discards(None, 0))["items"]
    if "user" in words:
        id = parse_user(words["user"])[2:]
        items = [one for one in items if id in one["excerpt"] or id == one["message_id"]]
    else:
        items = [*items, *map(_duplicate, console.daemon.metrics.duplicates.newest(MOST_ROWS))]
    first = max(oldest, to_iso(which.since))
    return [
        one
        for one in items
        if one["at"] >= first and which.source in (None, one["source"]) and which.type in (None, one["type"])
    ]


def _duplicate(one: Repeated) -> dict[str, Any]:
    about = {"source": one.source, "type": one.type, "message_id": one.message_id, "message": DUPLICATE}
    return {"at": to_iso(one.last_ms), **about, "is_duplicate": True}


async def _rows(console: Console, events: Sequence[Row], discards: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as they are shown, newest first. One that has not changed is not made anew."""
    modes = _modes(console)
    await console.templates.compiled("live_row.html", "live_discard.html")
    row_of_event, row_of_discard = (
        console.templates.macro(name, "row") for name in ("live_row.html", "live_discard.html")
    )

    def render(row: Row) -> str:
        if "destinations" in row.event:
            return _in_one_line(row_of_event(row.event, modes))
        return _in_one_line(row_of_discard(row.event, len(modes)))

    rows = list(events)
    if discards:
        rows += map(console.tails.rows(modes).of_discard, discards)
        rows = sorted(rows, key=lambda row: row.at, reverse=True)[:MOST_ROWS]
    await console.tails.make(rows, render, len(modes))
    return b"".join(row.html for row in rows)


def _in_one_line(html: str) -> str:
    """A stream sends line by line, and a CR ends a line there, too. A line break of an event is shown as a blank anyhow."""
    return html.replace("\r", " ").replace("\n", " ")


def _address(request: web.Request, **changes: str | None) -> str:
    """This page with these words of its address changed; None: without it."""
    query = {key: value for key, value in request.query.items() if key != "stream" and value}
    query |= {key: value for key, value in changes.items() if value is not None}
    gone = [key for key, value in changes.items() if value is None]
    return str(request.rel_url.with_query({key: value for key, value in query.items() if key not in gone}))


def _position(text: str) -> int | None:
    return int(text[:18]) if text.isascii() and text.isdecimal() else None
