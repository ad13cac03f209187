"""Hold what a plugin returned or raised as an outcome against the contract: the right fields of the right types.

A wrongly typed outcome is the plugin's fault and concerns its own event only.
"""

from __future__ import annotations

import math
import reprlib

from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Skip, Split
from router.plugin_host.destination import Destination
from router.plugin_host.shortening import first_bytes

MAX_REASON, MAX_DETAIL = 100, 4000
"""Bytes of a reason and of a detail: no more are looked at for secrets, and no more are kept."""
KNOWN = (Delivered, Skip, Reject, RetryLater, Pause, Split)
TEXTS, SECONDS = ("reason", "detail"), ("after_s", "for_s")
MAX_SHOWN = 100


def checked(destination: Destination, outcome: object) -> Outcome:
    """The outcome with secrets masked in its words; a Reject `plugin_error` where it is not one of the contract."""
    fault = fault_of(outcome)
    if fault:
        words = f"plugin {destination.plugin_name}: {fault}"
        return Reject("plugin_error", first_bytes(destination.redact(words), MAX_DETAIL))
    assert isinstance(outcome, KNOWN)
    if isinstance(outcome, Delivered):
        return outcome
    reason = first_bytes(destination.redactor.word(first_bytes(outcome.reason, MAX_REASON)), MAX_REASON)
    if isinstance(outcome, Skip):
        return outcome if reason is outcome.reason else Skip(reason)
    # In place: a copy of a subclass would need to know its __init__.
    detail = destination.redact(first_bytes(outcome.detail, MAX_DETAIL))
    outcome.reason, outcome.detail = reason, first_bytes(detail, MAX_DETAIL)
    return outcome


def fault_of(outcome: object) -> str:
    """What is wrong with an outcome; "" where nothing is."""
    if not isinstance(outcome, KNOWN):
        return f"{type(outcome).__name__} is no outcome: want one of {', '.join(kind.__name__ for kind in KNOWN)}"
    name = type(outcome).__name__
    if isinstance(outcome, Delivered) and not isinstance(outcome.warning, str):
        return f"{name}.warning is {type(outcome.warning).__name__}: want text"
    for field in TEXTS:
        value = getattr(outcome, field, "")
        if not isinstance(value, str):
            return f"{name}.{field} is {type(value).__name__}: want text"
        if not value.isascii() and not _is_unicode(value[:MAX_DETAIL]):  # no more of it is kept
            return f"{name}.{field} holds half a character (a lone surrogate): want text that UTF-8 can hold"
    for field in SECONDS:
        value = getattr(outcome, field, None)
        if value is not None and not _is_seconds(value):
            return f"{name}.{field} is {_shown(value)}: want seconds as a number, or None"
    if isinstance(outcome, Pause) and not isinstance(outcome.sure, bool):
        return f"{name}.sure is {type(outcome.sure).__name__}: want True or False"
    return ""


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _shown(value: object) -> str:
    try:
        return reprlib.repr(value)[:MAX_SHOWN]
    except Exception:  # whatever the value's own code raises, or of a number: too many digits
        return f"a value of type {type(value).__name__}"


def _is_unicode(words: str) -> bool:
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True
