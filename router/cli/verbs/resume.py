"""`resume`: let a paused destination run again."""

from __future__ import annotations

from router.cli.client import running_daemon
from router.cli.endpoint import Failed
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json
from router.explain import phrases


@asks
def resume(common: Common, destination: DestinationName) -> None:
    """Let a paused destination run again, whatever it was paused for.

    A key that was corrected counts after `reload`. Exit code 1 if the destination is paused again at once.

    Examples:
        resume braze
    """
    with running_daemon(common) as admin:
        answer = admin.post("api", "destinations", destination, "resume")
        counts = admin.get("api", "ledger")["destinations"].get(destination, {}) if answer["state"] == "paused" else {}
    if common.as_json:
        say_json(answer)
    elif trouble := phrases.trouble_of(destination, counts):
        raise Failed(f"it was paused again at once: {trouble}\nIf you have corrected its key or settings, run `reload`")
    else:
        say(f"{destination} is {answer['state']}")
