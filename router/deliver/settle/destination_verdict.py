"""What one response says about the whole destination. Pure: it returns a value, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater

SUSPECTS = 3
"""Users that must meet a 403 or 404, and nobody a success, before it is taken for the destination's own trouble."""
TOO_MANY_REQUESTS = 429


class Succeeded(msgspec.Struct, frozen=True):
    """The vendor took something, or refused it for good: it is there."""


class Failed(msgspec.Struct, frozen=True):
    """The request failed in a way that may pass."""

    reason: str
    detail: str = ""  #: the words of the error, or of the vendor


class Wait(msgspec.Struct, frozen=True):
    """The vendor asks for a pause. `seconds` None: it does not say how long."""

    seconds: float | None


class Stop(msgspec.Struct, frozen=True):
    """The key or the set-up is wrong."""

    pause: Pause


Health = Succeeded | Failed | Wait | Stop


class Suspected(RetryLater):
    """A `Pause(sure=False)` that is not believed yet: the event is tried again, a few times only."""


class Verdict(msgspec.Struct, frozen=True):
    """What follows for the destination, in this order, and the outcomes as they count for the events."""

    outcomes: Sequence[Outcome]
    health: tuple[Health, ...] = ()
    suspects: frozenset[str] = frozenset()  #: users that met a 403 or 404 since the last success
    burns_attempt: bool = True  #: False: a 429 is no attempt of the event


def judge(
    status: int | None,
    retry_after_s: float | None,
    outcomes: Sequence[Outcome],
    users: Iterable[str],
    suspects: frozenset[str] = frozenset(),
) -> Verdict:
    """Judge a response.

    Args:
        status: of the HTTP response; None where there was none.
        retry_after_s: the wait that the response asks for.
        outcomes: one for each item, as the plugin sees them.
        users: the user keys in the request.
        suspects: see `Verdict.suspects`, before this response.

    A wait comes first and leaves the outcomes as they are. A pause that is sure stops the destination, whatever else was
    taken. One success outweighs every suspicion. A suspicion that is not shared by enough users is the event's own trouble:
    it is tried again, also beside a success (as a pause it would be sent again at once, and burn no attempt).
    """
    if status == TOO_MANY_REQUESTS:
        later = [RetryLater("status_429") if isinstance(o, RetryLater) else o for o in outcomes]
        return Verdict(later, (Wait(_asked(retry_after_s, outcomes)),), suspects, burns_attempt=False)
    waits: tuple[Health, ...] = (Wait(retry_after_s),) if retry_after_s is not None else ()
    pause = next((o for o in outcomes if isinstance(o, Pause) and o.sure), None)
    if pause is not None:
        return Verdict(outcomes, (*waits, Stop(pause)), suspects)
    if any(isinstance(o, Delivered) for o in outcomes):
        return Verdict([_not_sure(o, status) for o in outcomes], (*waits, Succeeded()))
    pause = next((o for o in outcomes if isinstance(o, Pause)), None)
    if pause is not None:
        suspects = suspects | frozenset(users)
        if len(suspects) < SUSPECTS:
            return Verdict([_not_sure(o, status) for o in outcomes], waits, suspects)
        return Verdict(outcomes, (*waits, Stop(pause)), suspects)
    if outcomes and all(isinstance(o, RetryLater) for o in outcomes):
        first = outcomes[0]
        assert isinstance(first, RetryLater)
        return Verdict(outcomes, (*waits, Failed(first.reason, first.detail)), suspects)
    if any(isinstance(o, Reject) for o in outcomes):
        return Verdict(outcomes, (*waits, Succeeded()))
    return Verdict(outcomes, waits, suspects)


def _asked(retry_after_s: float | None, outcomes: Iterable[Outcome]) -> float | None:
    """The wait after a 429: what the response asks for, else what the plugin read from it."""
    if retry_after_s is not None:
        return retry_after_s
    return next((o.after_s for o in outcomes if isinstance(o, RetryLater) and o.after_s is not None), None)


def _not_sure(outcome: Outcome, status: int | None) -> Outcome:
    if not isinstance(outcome, Pause) or outcome.sure:
        return outcome
    reason = f"status_{status}" if status else outcome.reason
    return Suspected(reason, outcome.detail)
