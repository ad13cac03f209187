"""`resume`: let a destination that is paused, or whose breaker is open, send again."""

from __future__ import annotations

from router.cli.client import running_daemon
from router.cli.endpoint import Failed
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json
from router.explain import destination_phrases


@asks
def resume(common: Common, destination: DestinationName) -> None:
    """Resume a destination that is paused, or whose breaker is open.

    What waits is sent now, also without waiting for the next probe of an open breaker. A key that was corrected counts after `reload`. Exit
    code 1 if the destination is paused again at once.

    Examples:
        resume braze
    """
    with running_daemon(common) as admin:
        answer = admin.post("api", "destinations", destination, "resume")
        counts = admin.get("api", "ledger")["destinations"].get(destination, {}) if answer["state"] == "paused" else {}
    if common.as_json:
        say_json(answer)
    elif trouble := destination_phrases.trouble_of(destination, counts):
        raise Failed(f"it was paused again at once: {trouble}\nIf you have corrected its key or settings, run `reload`")
    else:
        say(destination_phrases.resumed(destination, answer.get("was", "")))
