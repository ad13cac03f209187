"""What `why` adds to an event that was kept back: worked out from the stored call and today's configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.config import DestinationConfig
from router.event import Call
from router.plugin_host import Conditions, add_details, compile_conditions, is_asked_for

CONTEXT = {"consent": {"categoryPreferences": {"ads": True, "mail": False}}}


def call(**more: Any) -> Call:
    body = {"event": "E", "context": CONTEXT, **more}
    return Call("website", "track", "m", "u:u", 1, b"{}\n" + json.dumps(body).encode())


def conditions(**keys: Any) -> Conditions:
    return compile_conditions(DestinationConfig.model_validate({"name": "d", "plugin": "p", **keys}))


def told(reason: str, today: Conditions | None, state: str = "filtered") -> dict[str, Any]:
    fates = {"d": {"state": state, "reason": reason}}
    add_details(fates, call(), {} if today is None else {"d": today})
    return {key: value for key, value in fates["d"].items() if key not in ("state", "reason")}


@pytest.mark.parametrize(
    ("reason", "today", "expected"),
    [
        ("consent", conditions(consent=["mail", "ads"]), {"detail": "mail", "changed": False}),
        ("consent", conditions(consent=["ads"]), {"detail": "", "changed": True}),
        ("consent", conditions(), {"detail": "", "changed": True}),
        ("consent", None, {"detail": "", "changed": True}),
        ("consent_missing", conditions(consent=["mail"]), {"detail": "mail", "changed": True}),
        ("consent_withdrawn", conditions(consent=["ads"]), {"detail": "ads", "changed": False}),
        ("consent_withdrawn", conditions(), {"detail": "", "changed": True}),
        ("filter", conditions(consent=["mail"], filter="event = 'X'"), {"detail": "mail", "changed": True}),
        (
            "filter",
            conditions(consent=["ads"], filter="event = 'X'"),
            {"detail": "", "expression": "event = 'X'", "changed": False},
        ),
        ("filter", conditions(), {"detail": "", "expression": "", "changed": True}),
        ("integrations", conditions(consent=["mail"]), {}),
    ],
)
def test_the_detail_is_that_of_today(reason: str, today: Conditions | None, expected: dict[str, Any]) -> None:
    assert told(reason, today) == expected


def test_a_plugins_own_reason_of_the_same_name_is_left_alone() -> None:
    assert told("consent", conditions(consent=["mail"]), state="skipped") == {}


def test_only_what_was_kept_back_is_a_reason_to_look_for_the_call() -> None:
    assert is_asked_for({"d": {"state": "filtered", "reason": "consent_missing"}})
    assert not is_asked_for({"d": {"state": "filtered", "reason": "integrations"}})
    assert not is_asked_for({"d": {"state": "dead", "reason": "consent"}})
