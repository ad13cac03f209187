"""`destinations NAME`: one destination in detail, with the last requests that it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from router.cli.data_source import open_data_source
from router.cli.help import Verbs
from router.cli.options import Common, NameInFile, asks, given_before
from router.cli.output import say, say_json
from router.explain import destination_phrases, event_phrases
from router.explain.figures import instant

NUMBERS = ("held", "retrying", "queued", "dead")


class NameOrVerb(Verbs):
    """`destinations NAME` stands for `destinations show NAME`, unless NAME is a verb."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that is meant."""
        is_name = bool(args) and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None
        return super().resolve_command(ctx, ["show", *args] if is_name else args)


@asks
def destinations_show(common: Common, context: typer.Context, name: NameInFile) -> None:
    """Show one destination, with its last requests.

    The last request that went well, and the last that did not. `destinations NAME` does the same. The requests are those since the
    daemon's start, or since the last change of the destination; secrets are masked.

    Examples:
        destinations braze
    """
    common = given_before(context, common)
    with open_data_source(common) as data:
        found = data.destination(name)
        is_running = data.running
    if common.as_json:
        say_json(found)
        return
    say(f"{name}: plugin {found['plugin']}, {found['mode']}, sources {', '.join(found['sources'])}; {found['state']}")
    say(", ".join(f"{number} {found.get(number, 0):,}" for number in NUMBERS))
    about = (
        destination_phrases.trouble_of(name, found),
        destination_phrases.waits_of(name, found["waiting"]),
        destination_phrases.timers_of(found, name),
        *destination_phrases.slow_hooks(found),
    )
    say(*filter(None, about))
    if is_running:
        say("", *_exchange("delivered", found["last"]["delivered"]), "", *_exchange("failed", found["last"]["failed"]))


def _exchange(what: str, shown: Mapping[str, Any] | None) -> list[str]:
    if shown is None:
        return [f"no request has {'been ' if what == 'delivered' else ''}{what} since it was started or changed"]
    request, answer = shown["request"], shown["answer"]
    came = f"status {shown['status']}" if shown["status"] else shown["error"] or "no HTTP"
    lines = [
        f"the last request that {'was ' if what == 'delivered' else ''}{what}, {instant(shown['at'])}: {came} after {shown['duration_ms']} ms"
    ]
    if request is not None:
        lines += _indented(event_phrases.request_lines(request), request)
    if answer is not None:
        headers = [f"{name}: {value}" for name, value in answer["headers"].items()]
        lines += ["  answer:", *_indented([*headers, *answer["body"].splitlines()], answer)]
    return lines


def _indented(lines: list[str], shown: Mapping[str, Any]) -> list[str]:
    cut = shown.get("body_bytes", 0) > len(shown.get("body", "").encode())
    more = [f"... ({shown['body_bytes']:,} bytes in all)"] if cut else []
    return [f"    {line}" for line in (*lines, *more)]
