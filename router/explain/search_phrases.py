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


def unknown_event(source: str | None) -> str:
    """An event page of a message id that the store does not have."""
    return "No event with this message id is known" + (f" from source {source}" if source else "")


NOT_THERE = (
    "It was sent to another router, or as another source: look at the address and the write key of the sender.",
    "It was sent, and could not be used: Live, with discards, has the newest hundred of such calls, with their reason.",
    "It is older than the store keeps message ids (`store.dedupe_window`).",
)
"""Why an event is not known, though somebody sent it."""
