"""The message about some changes: as JSON, in the form of Slack, in the form of Teams. And its signature. Pure.

Source: https://api.slack.com/messaging/webhooks; https://learn.microsoft.com/en-us/connectors/teams (Adaptive Cards through a workflow);
https://learn.microsoft.com/en-us/adaptive-cards/authoring-cards/text-features (which block reads Markdown).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.config import NotifyConfig
from router.explain.figures import span
from router.explain.troubles import Trouble
from router.notify.changes import Change
from router.plugin import Request

SIGNATURE = "X-Signature"
"""As in Segment's webhooks: HMAC-SHA1 of the body, in hex."""
MOST_LINES = 30
"""Changes that a message for people lists; it says how many there are beside these."""


class Message(msgspec.Struct, frozen=True):
    """What is told at once."""

    id: str  #: the same for every attempt
    at: int  #: ms
    instance: str
    changes: Sequence[Change]


def request_of(message: Message, config: NotifyConfig) -> Request:
    """The POST, signed where there is a secret."""
    body = msgspec.json.encode(FORMATS[config.format](message))
    headers = {"Content-Type": "application/json"}
    if config.secret:
        headers[SIGNATURE] = hmac.new(config.secret.encode(), body, hashlib.sha1).hexdigest()
    return Request(config.url or "", headers=headers, body=body, private=True)


def as_json(message: Message) -> dict[str, Any]:
    """`{"id", "instance", "at", "changes"}`."""
    return {
        "id": message.id,
        "instance": message.instance,
        "at": to_iso(message.at),
        "changes": [_change(change, message.at) for change in message.changes],
    }


def for_slack(message: Message) -> dict[str, Any]:
    """`{"text"}`, in which three signs mean something."""
    text = "\n".join(_lines(message))
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def for_teams(message: Message) -> dict[str, Any]:
    """An Adaptive Card, a block a line. A `TextBlock` would read the words of a vendor as Markdown; a `TextRun` has none."""
    blocks = [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]} for line in _lines(message)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


FORMATS: Mapping[str, Callable[[Message], dict[str, Any]]] = {"json": as_json, "slack": for_slack, "teams": for_teams}


def _change(change: Change, now_ms: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "change": change.kind,
        "code": change.code,
        "subject": change.subject,
        "text": sentence(change, now_ms),
        "since": to_iso(change.at),
    }
    trouble = change.trouble
    if trouble is not None:
        told |= {
            "since": trouble.since or told["since"],
            "who": trouble.actor.value,
            "next_step": trouble.next_step,
            "until": trouble.until,
            "waiting": trouble.waiting,
        }
    return told


def sentence(change: Change, now_ms: int) -> str:
    """One change for people."""
    trouble: Trouble | None = change.trouble
    if trouble is None:
        lasted = span((now_ms - change.at) / 1000)
        return f"{change.subject}: over after {lasted}: {change.code.replace('_', ' ')}"
    waiting = f"; {trouble.waiting:,} wait" if trouble.waiting else ""
    return f"{change.subject}: {trouble.sentence}{waiting}. Next step: {trouble.next_step}"


def _lines(message: Message) -> list[str]:
    shown = message.changes[:MOST_LINES]
    lines = [f"segment-router {message.instance}"]
    lines += [f"{'✕' if one.kind == 'began' else '●'} {sentence(one, message.at)}" for one in shown]
    if left := len(message.changes) - len(shown):
        lines.append(f"and {left} more")
    return lines
