"""The message in its three forms, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from router.config import NotifyConfig
from router.explain.reasons import Actor
from router.explain.troubles import Trouble
from router.notify.bodies import MOST_LINES, Message, request_of
from router.notify.changes import Change

AT = 1_767_700_800_000
TROUBLE = Trouble(
    "credentials", "crm", "it refuses the key <401> & waits", "correct the key", Actor.OPERATOR, "2026-01-06T11:59:00.000Z",
    None, 412,
)  # fmt: skip
BEGAN = Change("began", "credentials", "crm", AT, TROUBLE)
OVER = Change("recovered", "breaker_open", "hook", AT - 600_000)
MESSAGE = Message("id-1", AT, "prod-1", (BEGAN, OVER))


def body(format: str, message: Message = MESSAGE) -> Any:
    config = NotifyConfig.model_validate({"url": "http://127.0.0.1:9/", "format": format})
    return json.loads(request_of(message, config).body)


def test_the_json_names_each_change_with_cause_and_next_step() -> None:
    told = body("json")
    assert {key: told[key] for key in ("id", "instance", "at")} == {
        "id": "id-1",
        "instance": "prod-1",
        "at": "2026-01-06T12:00:00.000Z",
    }
    began, over = told["changes"]
    assert began == {
        "change": "began",
        "code": "credentials",
        "subject": "crm",
        "text": "crm: it refuses the key <401> & waits; 412 wait. Next step: correct the key",
        "since": "2026-01-06T11:59:00.000Z",
        "who": "whoever operates the router",
        "next_step": "correct the key",
        "until": None,
        "waiting": 412,
    }
    assert over == {
        "change": "recovered",
        "code": "breaker_open",
        "subject": "hook",
        "text": "hook: over after 10 min: breaker open",
        "since": "2026-01-06T11:50:00.000Z",
    }


def test_in_slack_no_sign_of_a_vendor_means_anything() -> None:
    assert body("slack") == {
        "text": "segment-router prod-1\n✕ crm: it refuses the key &lt;401&gt; &amp; waits; 412 wait. Next step: correct the key\n"
        "● hook: over after 10 min: breaker open"
    }


def test_teams_gets_an_adaptive_card_with_a_line_for_each_change() -> None:
    (attachment,) = body("teams")["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    lines = [block["inlines"][0]["text"] for block in attachment["content"]["body"]]
    assert (len(lines), lines[0]) == (3, "segment-router prod-1")


def test_what_a_vendor_says_is_no_markdown_for_teams() -> None:
    said = "[pay here](http://evil.example) *now* <b>"
    trouble = TROUBLE._replace(sentence=said)
    message = Message("id-1", AT, "prod-1", [Change("began", "credentials", "crm", AT, trouble)])
    _, block = body("teams", message)["attachments"][0]["content"]["body"]
    assert (block["type"], [run["type"] for run in block["inlines"]]) == ("RichTextBlock", ["TextRun"])
    assert said in block["inlines"][0]["text"]


@pytest.mark.parametrize("format", ["slack", "teams"])
def test_a_hundred_changes_are_a_message_that_people_can_read(format: str) -> None:
    many = Message("id-1", AT, "prod-1", [OVER] * 100)
    assert f"and {100 - MOST_LINES} more" in json.dumps(body(format, many))


def test_a_request_is_signed_as_a_webhook_of_segment_is() -> None:
    config = NotifyConfig.model_validate({"url": "http://127.0.0.1:9/a?b=c", "secret": "s3cret"})
    request = request_of(MESSAGE, config)
    assert request.url == "http://127.0.0.1:9/a?b=c"
    assert request.headers["X-Signature"] == hmac.new(b"s3cret", request.body, hashlib.sha1).hexdigest()
    assert "X-Signature" not in request_of(MESSAGE, NotifyConfig.model_validate({"url": "http://127.0.0.1:9/"})).headers
