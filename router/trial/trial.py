"""Every event at every destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from router.event import Call, Discard, show_user_key, with_verdict
from router.judge import SourcePlan
from router.plugin_host import Destination
from router.testing.replies import Answers
from router.trial.calls import judge
from router.trial.destination import DestinationTrial
from router.trial.intake import Intake
from router.trial.known import Known


async def try_events(
    events: Sequence[bytes | Call],
    intake: Intake,
    destinations: Sequence[Destination],
    known: Known,
    now_ms: int,
    answer: str | Answers = "",
    *,
    as_enabled: bool = False,
) -> list[dict[str, Any]]:
    """What would become of each event, in order.

    Args:
        events: calls as JSON, or as they were accepted.
        intake: the source that would take them.
        known: what is known of their users from before; each event also knows what it and those before it tell.
        now_ms: when they would come in.
        answer: what the vendor answers, see `answered`; "": nobody asks.
        as_enabled: a disabled destination is taken as if it were enabled.
    """
    trials = {one.name: DestinationTrial(one, known, answer, as_enabled=as_enabled) for one in destinations}
    return [await _tried(one, trials, intake.plan) for one in judge(events, intake, now_ms)]


async def _tried(
    judged: Call | Discard, trials: dict[str, DestinationTrial], plan: SourcePlan | None
) -> dict[str, Any]:
    if isinstance(judged, Discard):
        return {"discarded": {"code": judged.code, "detail": judged.message}, "destinations": {}}
    told: dict[str, Any] = {}
    if plan is not None:
        verdict, _ = plan.judge(judged)
        judged = msgspec.structs.replace(judged, body=with_verdict(judged.body, verdict))
        if not verdict.says_nothing:
            told["plan"] = {"blocked": verdict.is_blocked, **verdict.told()}
    return {
        **told,
        "message_id": judged.message_id,
        "source": judged.source,
        "type": judged.type,
        "user": show_user_key(judged.user_key),
        "discarded": None,
        "destinations": {name: await trial.run(judged) for name, trial in trials.items()},
    }
