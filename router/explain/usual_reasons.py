"""Why a tool shows nothing of what it has taken: the usual reasons, the likeliest first. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Usual(NamedTuple):
    """One of them."""

    sentence: str
    next_step: str


LATER = "Many tools show new data some minutes or hours later"

ALWAYS = (
    Usual(
        "You look at another account, workspace or environment of the tool than the one that the key belongs to",
        "compare them with the settings of the destination; the test of its key may name the account",
    ),
    Usual(
        "The tool has the person or the company under another id than the one that you look for",
        "open one of the delivered events, then Request: it has the ids as they were sent",
    ),
    Usual(
        "The event has another name there, or lacks what you look for: the plugin or the mapping changed it",
        "open one of the delivered events, then As each plugin sees it",
    ),
    Usual(
        "The tool took it and leaves it out by a rule, a filter or a limit of its own",
        "ask the vendor, with the time of the delivery and the answer on the page of the event",
    ),
)
DRY_RUN = Usual(
    "The destination is in dry run: nothing is really sent yet", 'set mode = "live" in config.toml, then reload'
)


def usual_reasons(mode: str = "live", shown_after: str = "") -> list[Usual]:
    """The list for a destination.

    Args:
        shown_after: when its tool shows what it took, as the plugin says; "": nobody says.
    """
    later = f"The tool shows new data {shown_after}" if shown_after else LATER
    return [*([DRY_RUN] if mode == "dry-run" else []), Usual(later, "look again then"), *ALWAYS]
