"""Every event at every destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.event import Call, Discard, show_user_key
from router.plugin_host import Destination
from router.privacy import SourcePrivacy
from router.trial.calls import judge
from router.trial.destination import DestinationTrial
from router.trial.known import Known


async def try_events(
    events: Sequence[bytes],
    source: str,
    destinations: Sequence[Destination],
    known: Known,
    now_ms: int,
    privacy: SourcePrivacy | None = None,
) -> list[dict[str, Any]]:
    """What would become of each event, in order.

    Args:
        events: calls as JSON.
        source: the name of the source that would take them.
        known: what is known of their users from before; one event tells the next nothing.
        now_ms: when they would come in.
        privacy: what the source takes from its calls.
    """
    trials = {destination.name: DestinationTrial(destination, known) for destination in destinations}
    return [await _tried(one, trials) for one in judge(events, source, now_ms, privacy)]


async def _tried(judged: Call | Discard, trials: dict[str, DestinationTrial]) -> dict[str, Any]:
    if isinstance(judged, Discard):
        return {"discarded": {"code": judged.code, "detail": judged.message}, "destinations": {}}
    return {
        "message_id": judged.message_id,
        "type": judged.type,
        "user": show_user_key(judged.user_key),
        "discarded": None,
        "destinations": {name: await trial.run(judged) for name, trial in trials.items()},
    }
