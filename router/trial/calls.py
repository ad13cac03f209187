"""From pasted JSON to calls and discards, by the same code as ingestion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import msgspec

from router.event import Call, Discard
from router.ingest.parse import parse_batch
from router.suppressing import without_suppressed
from router.testing.samples import CALLS
from router.trial.intake import Intake

MAX_EVENTS = 100
"""Events of one trial."""
TOO_DEEP = "it is nested too deeply"


def sample(type: str) -> bytes:
    """A well-made call of this type, as JSON. Raises KeyError."""
    return msgspec.json.encode(CALLS[type])


def split(text: bytes) -> list[bytes]:
    """The calls in a JSON object, a JSON array, the body of a batch, or JSON Lines, each as JSON.

    Raises:
        ValueError: it is none of these, has no call or too many; says what and where.
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError("there is no event in it")
    try:
        found = _whole(stripped)
    except msgspec.DecodeError as error:
        if b"\n" not in stripped or not stripped.startswith(b"{"):
            raise ValueError(f"it is no JSON: {error}") from None
        found = _lines(stripped)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not found:
        raise ValueError("there is no event in it")
    if len(found) > MAX_EVENTS:
        raise ValueError(f"it has {len(found)} events: try {MAX_EVENTS} at a time")
    return found


def _whole(text: bytes) -> list[bytes]:
    value = msgspec.json.decode(text)
    if isinstance(value, dict):
        calls = value["batch"] if isinstance(value.get("batch"), list) else [value]
    elif isinstance(value, list):
        calls = value
    else:
        raise ValueError("it is neither an object nor a list of objects")
    return [msgspec.json.encode(call) for call in calls]


def _lines(text: bytes) -> list[bytes]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                msgspec.json.decode(line)
            except msgspec.DecodeError as error:
                raise ValueError(f"line {number} is no JSON: {error}") from None
            except RecursionError:
                raise ValueError(f"line {number}: {TOO_DEEP}") from None
            found.append(line)
    return found


def judge(events: Sequence[bytes | Call], intake: Intake, now_ms: int) -> list[Call | Discard]:
    """What ingestion makes of each event, in order. A Call was judged before."""
    ids = count(1)
    found: list[Call | Discard] = []
    for event in events:
        if isinstance(event, Call):
            found.append(event)
            continue
        posted = parse_batch(b'{"batch":[' + event + b"]}")
        taken = posted.calls(intake.source, now_ms, None, lambda: f"try-{next(ids)}", intake.privacy)
        calls, discards = without_suppressed(*taken, intake.suppressions)
        found.extend([*calls, *discards])
    return found
