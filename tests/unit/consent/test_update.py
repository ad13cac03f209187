"""`Segment Consent Preference Updated`: what is wrong with it is told with the field."""

from __future__ import annotations

from typing import Any

import pytest

from router.consent import fault_of


def consent(preferences: Any, **more: Any) -> dict[str, Any]:
    return {"consent": {"categoryPreferences": preferences, **more}}


GOOD = {"ads": True, "marketing": False}


@pytest.mark.parametrize("context", [
    consent(GOOD), consent({}), consent(GOOD, version=2), consent(GOOD, version=None), {**consent(GOOD), "device": {"advertisingId": "x"}},
    {**consent(GOOD), "device": {"advertisingId": None}}, {**consent(GOOD), "device": []},
])  # fmt: skip
def test_a_good_one(context: Any) -> None:
    assert fault_of(context) == ""


@pytest.mark.parametrize(("context", "fault"), [
    (None, "categoryPreferences is missing"),
    ({}, "categoryPreferences is missing"),
    ({"consent": []}, "categoryPreferences is missing"),
    (consent(None), "categoryPreferences is missing"),
    (consent([]), "categoryPreferences must be an object"),
    (consent({"ads": "true"}), 'categoryPreferences["ads"] must be true or false'),
    (consent({"ads": None}), 'categoryPreferences["ads"] must be true or false'),
    (consent({"ads": 1}), 'categoryPreferences["ads"] must be true or false'),
    (consent(GOOD, version="2"), "context.consent.version must be a number"),
    (consent(GOOD, version=True), "context.consent.version must be a number"),
    ({**consent(GOOD), "device": {"advertisingId": 7}}, "context.device.advertisingId must be text"),
])  # fmt: skip
def test_a_fault_is_told_with_its_field(context: Any, fault: str) -> None:
    assert fault in fault_of(context)
