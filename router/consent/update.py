"""`Segment Consent Preference Updated`: the track call by which a consent tool tells of changed preferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UPDATED = "Segment Consent Preference Updated"


def is_update(call: Mapping[str, Any]) -> bool:
    """Whether this call tells of changed preferences."""
    return call.get("event") == UPDATED and call.get("type") == "track"


def fault_of(context: Any) -> str:
    """What is wrong with the context of such a call, with the field; "" where nothing is. A null counts as absent."""
    context = context if isinstance(context, dict) else {}
    consent = context.get("consent")
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if preferences is None:
        return "context.consent.categoryPreferences is missing"
    if not isinstance(preferences, dict):
        return "context.consent.categoryPreferences must be an object"
    for id, given in preferences.items():
        if not isinstance(given, bool):
            return f'context.consent.categoryPreferences["{id[:40]}"] must be true or false'
    version = consent.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int | float)):
        return "context.consent.version must be a number"
    device = context.get("device")
    advertising_id = device.get("advertisingId") if isinstance(device, dict) else None
    if advertising_id is not None and not isinstance(advertising_id, str):
        return "context.device.advertisingId must be text"
    return ""
