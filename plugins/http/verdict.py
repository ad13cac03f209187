"""What an answer means, by what the settings say of it.

a status in a list of `answers`  what the list is named after
any other status                 `by_status` of `router/plugin.py`
`rejected_if` is true            of a success: rejected; a batch is sent again in halves
the list of `answers.items`      item by item, where the request as a whole is a success or a refusal
an entry that names no item      the other items of a success are tried again (`unreadable_item_result`)
with `answers.items.status`      an item of a success that the list does not name is tried again (`no_item_result`)
without `answers.items`          a 207 is a success of all items, as any 2xx
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from plugins.http.functions import is_missing, text
from plugins.http.scope import MISSING, within
from router.plugin import (
    JSON,
    Answer,
    Delivered,
    Item,
    Outcome,
    Pause,
    Reject,
    RetryLater,
    Split,
    as_number,
    by_status,
    excerpt,
)

if TYPE_CHECKING:
    from plugins.http.settings import AnswerSettings, ItemAnswers

MAX_WORDS = 500


def read_answer(items: Sequence[Item], answer: Answer, settings: AnswerSettings) -> Outcome | Sequence[Outcome]:
    """One outcome for all items, or one for each in their order."""
    whole = by_settings(answer, len(items), settings)
    if isinstance(whole, Delivered) and (words := _refusal(answer, settings.rejected_if)):
        whole = Split("rejected", f"status {answer.status}: {words}")
    if settings.items is None or not isinstance(whole, Delivered | Split):
        return whole
    named, is_readable = _named(items, answer, settings)
    rest: Outcome = whole
    if settings.items.status and isinstance(whole, Delivered):
        rest = RetryLater("no_item_result", f"status {answer.status}: the answer does not say what became of it")
    elif not is_readable and isinstance(whole, Delivered):
        words = (
            f"status {answer.status}: the answer refuses events, but not all by their number: {excerpt(answer.body)}"
        )
        rest = RetryLater("unreadable_item_result", words)
    return [named.get(at, rest) for at in range(len(items))]


def by_settings(answer: Answer, n: int, settings: AnswerSettings) -> Outcome:
    """The outcome of a request of `n` items by its status."""
    status, words = answer.status, f"status {answer.status}: {excerpt(answer.body)}"
    if status in settings.delivered:
        return Delivered()
    if status in settings.rejected:
        return Split("rejected", words) if n > 1 else Reject("rejected", words)
    if status in settings.retry:
        return RetryLater(f"status_{status}", words, after_s=answer.retry_after_s)
    if status in settings.pause:
        return Pause("set_up", words, after_s=answer.retry_after_s)
    return by_status(answer, n)


def _refusal(answer: Answer, rejected_if: Mapping[str, str | int | float | bool]) -> str:
    """What of the body makes a success none; "" if nothing does."""
    body = answer.json() if rejected_if else None
    for path, value in rejected_if.items():
        found = within(body, path.split("."))
        if found == value and isinstance(found, bool) == isinstance(value, bool):
            return f"{path} is {text(value)}: {excerpt(answer.body)}"
    return ""


def _named(items: Sequence[Item], answer: Answer, settings: AnswerSettings) -> tuple[dict[int, Outcome], bool]:
    """The outcomes of the items that the answer names, by their place in `items`, and whether each entry names one."""
    form = settings.items
    assert form is not None
    body = answer.json()
    found = _at(body, form.list)
    if not isinstance(found, list):
        is_cut = body is None and answer.body.lstrip().startswith((b"{", b"["))
        return {}, not is_cut and (is_missing(found) or not found)
    owners: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        owners.setdefault(item.body.get("array", "") if form.array else "", []).append(place)
    named: dict[int, Outcome] = {}
    is_readable = True
    for position, entry in enumerate(found):
        array = _at(entry, form.array) if form.array else ""
        places = owners.get(array, []) if isinstance(array, str) else []
        index = as_number(_at(entry, form.index)) if form.index else position
        if index is None or index not in range(len(places)):
            is_readable = False
        elif outcome := _of_entry(entry, answer, form, settings):
            named[places[int(index)]] = outcome
    return named, is_readable


def _of_entry(entry: JSON, answer: Answer, form: ItemAnswers, settings: AnswerSettings) -> Outcome | None:
    """The outcome of one item; None if the entry has no status."""
    told = text(_at(entry, form.reason)) if form.reason else text(entry)
    words = "" if told is MISSING else str(told)[:MAX_WORDS]
    if not form.status:
        return Reject("rejected", words)
    status = as_number(_at(entry, form.status))
    if not isinstance(status, int):
        return None
    body = words.encode("utf-8", "replace")
    return by_settings(Answer(status, body=body, retry_after_s=answer.retry_after_s), 1, settings)


def _at(value: JSON, path: str) -> JSON:
    return within(value, path.split(".")) if path else value
