"""What `try` and `destinations test` read and print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from router.cli.lazy import lazy
from router.cli.output import printable
from router.explain import phrases

if TYPE_CHECKING:
    from router import trial
else:
    trial = lazy("router.trial")


def read_events(file: str, option: str) -> list[bytes]:
    """The events in a file, "-" for standard input. Raises BadParameter with what is wrong, and where."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return trial.split(text)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint=option) from None


def event_lines(event: Mapping[str, Any]) -> list[str]:
    """Which event, or why it would be discarded."""
    if event["discarded"] is not None:
        return [f"would be discarded ({event['discarded']['code']}): {printable(event['discarded']['detail'])}"]
    return [printable(f"{event['message_id']}: {event['type']} of {event['user']}")]


def trial_lines(lead: str, type: str, told: Mapping[str, Any]) -> list[str]:
    """What would become of an event at one destination, with the requests."""
    sentence = phrases.trial(type, told)
    lines = [f"{lead}: {sentence}" if lead else sentence]
    if told.get("expression"):
        lines.append(f"    filter: {told['expression']}")
    lines += [f"    its plugin warns: {reason}" for reason in told["warnings"]]
    lines += [f"    {line}" for request in told["requests"] for line in phrases.request_lines(request)]
    if told["answered"]:
        lines.append(f"    if the vendor answers {told['answered']['answer']}:")
        lines += [f"        {line}" for line in phrases.answered(told["answered"])]
    return [printable(line) for line in lines]
