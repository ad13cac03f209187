"""What `try` and `destinations test` read and print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from router.cli.lazy import lazy
from router.cli.output import printable
from router.explain import event_phrases, trial_phrases

if TYPE_CHECKING:
    from router import config as configuration
    from router import trial
else:
    configuration = lazy("router.config")
    trial = lazy("router.trial")

TYPES = ("identify", "group", "track", "page", "screen", "alias")


def events_of(file_or_type: str, option: str) -> list[bytes]:
    """A sample of this call type, or the events in a file. Raises BadParameter; a word that is no file is most often a type that is
    misspelt."""
    if file_or_type in TYPES:
        return [trial.sample(file_or_type)]
    if file_or_type.isalpha() and not Path(file_or_type).exists():
        words = configuration.unknown(file_or_type, TYPES, "call type")
        raise typer.BadParameter(f"{words} (and there is no such file)", param_hint=option)
    return read_events(file_or_type, option)


def read_events(file: str, option: str) -> list[bytes]:
    """The events in a file, "-" for standard input. Raises BadParameter with what is wrong, and where."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return trial.split(text)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint=option) from None


def read_answer(words: str) -> str:
    """What `--answer` says, with the body of its file. Raises BadParameter."""
    status, _, body = words.partition(":")
    try:
        if body.startswith("@"):
            words = f"{status}:{Path(body[1:]).read_text(encoding='utf-8')}"
        trial.answer_of(words)
    except OSError as error:
        raise typer.BadParameter(f"{body[1:]}: {error.strerror}", param_hint="--answer") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{body[1:]}: it is no text in UTF-8", param_hint="--answer") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--answer") from None
    return words


def event_lines(event: Mapping[str, Any]) -> list[str]:
    """Which event and what its tracking plan says, or why it would be discarded."""
    if event["discarded"] is not None:
        return [f"would be discarded ({event['discarded']['code']}): {printable(event['discarded']['detail'])}"]
    about = f"{event['message_id']}: {event['type']} of {event['user']}"
    return [printable(line) for line in (about, *event_phrases.plan_lines(event.get("plan", {})))]


def trial_lines(lead: str, event: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """What would become of an event at one destination, with the requests. `event`: as `trial_phrases.trial` takes it."""
    sentence = trial_phrases.trial(event, told)
    lines = _exception_first(f"{lead}: {sentence}" if lead else sentence)
    if told.get("expression"):
        lines.append(f"    filter: {told['expression']}")
    lines += [f"    its plugin warns: {reason}" for reason in told["warnings"]]
    lines += [f"    {line}" for request in told["requests"] for line in event_phrases.request_lines(request)]
    if told["answered"]:
        answer = told["answered"]["answer"]
        lines.append(f"    if the vendor answers {answer}:" if answer else "    nothing reaches the vendor:")
        for outcome in trial_phrases.answered(told["answered"]):
            lines += [f"        {line}" for line in _exception_first(outcome)]
    return [printable(line) for line in lines]


def _exception_first(words: str) -> list[str]:
    """A sentence as lines. If it ends with a traceback, the exception comes first, for it says what is wrong."""
    first, *rest = words.splitlines()
    if not rest:
        return [first]
    calls = [number for number, line in enumerate(rest) if line.startswith("  File ")]
    after = rest[calls[-1] + 1 :] if calls else rest
    exception = next((line for line in after if not line.startswith(" ")), rest[-1])
    return [f"{first} {exception}", *(f"    {line}" for line in rest)]
