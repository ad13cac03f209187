"""`status`: one screen about the whole router."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from router.cli.counts import say_accepted, say_counts
from router.cli.data_source import DataSource, open_data_source
from router.cli.endpoint import locate, start_line, stop_line
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_wrapped
from router.cli.removed import removed_lines
from router.cli.style import BAD, BUSY, GOOD
from router.clock import SystemClock
from router.errors import RouterError
from router.explain import destination_phrases
from router.explain.destination_phrases import KEPT
from router.explain.figures import count
from router.explain.trouble_codes import STEPS

SHOWN = ("delivered", "held", "retrying", "queued", "dead")
"""The states for which a screen of 80 columns has room; `ledger` has all seven."""

IN_TROUBLE = ("paused", "breaker_open")
NOT_COUNTED = (
    "reload_refused", "loop_lag", "clock_jump", "no_owner", "cursor_stuck", "plugin_error", "undelivered", "group_filtered", "hold_growing",
    "source_silent", "discards",
)  # fmt: skip
"""Codes of troubles that neither the problems of the store nor the counts of a destination show."""
EVERY_S = 2.0
HOME, END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
"""For a terminal: go to the first line, clear the rest of this line, clear all lines below."""

Watch = Annotated[bool, typer.Option("--watch", help="Show it again every 2 seconds, in place, until Ctrl-C.")]


class Seen(NamedTuple):
    """The answers that a screen is made of."""

    running: bool
    ready: Mapping[str, Any]
    troubles: Sequence[Mapping[str, Any]]
    ledger: Mapping[str, Any]
    waiting: Mapping[str, Mapping[str, Any]]  #: by destination

    @property
    def is_well(self) -> bool:
        """Whether the daemon runs and stores events, and no destination is paused or has its breaker open."""
        states = {counts["state"] for counts in self.ledger["destinations"].values()}
        stores = self.ready["status"] == "ready" and not self.ready["problems"]
        return self.running and stores and not states.intersection(IN_TROUBLE)


@asks
def status(common: Common, watch: Watch = False) -> None:
    """Show on one screen how the router is.

    Troubles come first, each with the next step. Exit code 1 if the daemon does not run, cannot store events or says so of its
    disk, or if a destination is paused (also by hand) or its breaker is open; else 0. --watch ends with Ctrl-C.

    Examples:
        status
        status --watch
        status --json | jq .status
    """
    if watch and common.as_json:
        raise typer.BadParameter("shows a screen, and no JSON", param_hint="--watch")
    if watch:
        _watch(common)
    with open_data_source(common) as data:
        seen = _look(data)
    if common.as_json:
        told = {**seen.ready, "troubles": seen.troubles}
        say_json({"running": seen.running, **told, "ledger": seen.ledger, "waiting": seen.waiting})
    else:
        _show(seen, common)
    raise typer.Exit(0 if seen.is_well else 1)


def _look(data: DataSource) -> Seen:
    waiting = {row["name"]: row["waiting"] for row in data.destinations()["destinations"]}
    return Seen(data.running, data.readiness(), data.troubles(), data.ledger(), waiting)


class _Screen(io.StringIO):
    """Takes what is printed, to be shown at once."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def _watch(common: Common) -> None:
    """Show the screen again and again. Only a signal ends it."""
    clock, terminal = SystemClock(), sys.stdout.isatty()
    if terminal:
        print(HOME + BELOW, end="")
    while True:
        screen = _Screen(terminal)
        with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
            try:
                with open_data_source(common) as data:
                    _show(_look(data), common)
            except RouterError as error:  # it may be back the next time
                say(str(error))
        print(_in_place(screen.getvalue()) if terminal else screen.getvalue(), flush=True)
        asyncio.run(clock.sleep(EVERY_S))


def _in_place(text: str) -> str:
    """The text at the top of a terminal, over what was there; what has no room is left out, for it would scroll."""
    lines = text.splitlines()[: shutil.get_terminal_size().lines - 1]
    return HOME + "\n".join(line + END_OF_LINE for line in lines) + BELOW


def _show(seen: Seen, common: Common) -> None:
    say(
        "segment-router is running" if seen.running else "segment-router is not running",
        style=GOOD if seen.running else BAD,
    )
    say(*_places(common, is_running=seen.running), "")
    troubles, notes = [*_troubles(seen, common)], [*_notes(seen), *removed_lines(seen.ledger, common, KEPT)]
    for mark, style, sentences in (("!", BAD, troubles), ("-", BUSY, notes)):
        for sentence in sentences:
            say_wrapped(f"{mark} {sentence}", style)
    if troubles or notes:
        say("")
    say_accepted(seen.ledger)
    say("")
    say_counts(seen.ledger, SHOWN, how=True)


def _places(common: Common, *, is_running: bool) -> list[str]:
    if common.url is not None:
        return [f"admin {common.url}"]
    endpoint = locate(common.config)
    places = [f"ingestion {endpoint.ingest}, admin {endpoint.admin}", f"store {endpoint.database or endpoint.store}"]
    if is_running and endpoint.running is not None:
        pid = endpoint.running.pid
        places.append(f"pid {pid}; to stop it: {stop_line(common.config, pid)}")
    return places


def _troubles(seen: Seen, common: Common) -> Iterator[str]:
    """What somebody must look after, with the next step."""
    if not seen.running:
        yield f"nothing is accepted or delivered; start the daemon: {start_line(common.config)}"
    else:
        for told in seen.troubles:
            if told["code"] in STEPS or told["code"] in NOT_COUNTED:
                subject = "problem" if told["code"] in STEPS else told["subject"]
                yield f"{subject}: {told['text']}; {told['next_step']}"
    for name, counts in seen.ledger["destinations"].items():
        if (trouble := destination_phrases.trouble_of(name, counts)) and counts["state"] != "disabled":
            yield trouble
        dead = any((one["code"], one["subject"]) == ("dead", name) for one in seen.troubles)
        if dead and (n := _dead(counts)):
            yield _why_dead(name, n)


def _dead(counts: Mapping[str, Any]) -> int:
    return int(counts["dead"] + counts.get("beside", {}).get("dead", 0))


def _why_dead(name: str, n: int) -> str:
    return f"{name}: {count(n, 'dead event')} (why: `dead {name}`)"


def _notes(seen: Seen) -> Iterator[str]:
    """What is as it should be, and good to know."""
    yield from filter(None, (destination_phrases.waits_of(name, waits) for name, waits in seen.waiting.items()))
    in_trouble = {one["subject"] for one in seen.troubles if one["code"] == "dead"}
    yield from (
        _why_dead(name, n)
        for name, counts in seen.ledger["destinations"].items()
        if (n := _dead(counts)) and name not in in_trouble
    )
    for name, counts in seen.ledger["destinations"].items():
        if counts["state"] == "disabled" and (sentence := destination_phrases.trouble_of(name, counts)):
            yield sentence
    yield from (destination_phrases.isolated(name, words) for name, words in seen.ready.get("isolated", {}).items())
    if sentence := destination_phrases.dry_runs(seen.ledger["destinations"]):
        yield sentence
