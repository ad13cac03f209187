"""What was looked for and not found, and what a list leaves out. Pure."""

from __future__ import annotations

from router.explain.figures import count, instant


def left_out(per_s: float, every: int, n: int) -> str | None:
    """What a list of the newest events does not show because too many come; None where it shows all."""
    if every == 1:
        return None
    return f"about {round(per_s):,} a second come in: one in {every:,} is shown, {count(n, 'event')} in between are left out here"


def nothing_found(is_filtered: bool, since: str | None, searched_to: str | None, *, with_discards: bool = False) -> str:
    """Why a list of events is empty. `with_discards`: discarded calls are in it."""
    also = ", and none of the newest discarded calls" if with_discards else ""
    what = f"No event passes these filters{also}" if is_filtered else "No event is stored"
    if searched_to:
        return f"{what} among those accepted since {instant(searched_to)}; older ones were not searched"
    return what + (f" since {since}" if since else "")


def nothing_of(user: str, also: str) -> str:
    """A person of whom no event was found. `also`: which ones, where not all were meant."""
    return f"no event of {user}{also} is stored"


OF_ANOTHER_ID = "Is it another id? An anonymousId is written `anonymous:ID`, and an e-mail address is an id only where it was sent as the userId."
DISCARDED = "Was the call discarded? A call that cannot be used gets a 200 and is not stored: `{discards}`"
ELSEWHERE = "Was it sent to another router, or is it older than `store.retention`?"


def nobody(discards: str) -> list[str]:
    """Why somebody is not known, though events of them were sent. `discards`: the line that shows discarded calls."""
    return [OF_ANOTHER_ID, DISCARDED.format(discards=discards), ELSEWHERE]


def unknown_event(source: str | None) -> str:
    """An event page of a message id that the store does not have."""
    return "No event with this message id is known" + (f" from source {source}" if source else "")


NOT_THERE = (
    "It was sent to another router, or as another source: look at the address and the write key of the sender.",
    "It was sent, and could not be used: Live, with discards, has the newest hundred of such calls, with their reason.",
    "It is older than the store keeps message ids (`store.dedupe_window`).",
)
"""Why an event is not known, though somebody sent it."""
