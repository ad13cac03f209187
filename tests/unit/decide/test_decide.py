"""One decision in its fixed order, each reason, and how an `integrations` object is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from router.decide.decide import (
    DELIVER,
    Decision,
    Held,
    Settled,
    decide_gate,
    decide_unlooked,
    decide_unopened,
    gated_by,
    wanted,
)
from router.decide.gate import Closed, Supplies
from router.destinations import Destination
from router.plugin import Event, Group, UserId
from router.store import Company, Known, Membership
from tests.contract.rig import Plain, Vendor, destination

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = frozenset({"d", "vendor", "appboy"})


class Strict(Plain):
    """Needs a user and a named group for a track."""

    display_names = ("Vendor",)
    requires: ClassVar[Mapping[str, tuple[UserId | Group, ...]]] = {"track": (UserId(), Group("id", "name"))}


def made(**tables: Any) -> Destination:
    return destination(Strict, Vendor(), **tables)


def event(type: str = "track", user_id: str | None = "u1", integrations: Any = None, **more: Any) -> Event:
    payload = {} if integrations is None else {"integrations": integrations}
    return Event(
        type=type, message_id="m", source="web", user_id=user_id, timestamp=NOW, original_timestamp=NOW,
        received_at=NOW, payload=payload, **more,
    )  # fmt: skip


def known(*, named: bool = True) -> Known:
    company = Company({"name": "Acme"}, {"name": 1}) if named else Company({}, {})
    return Known(companies={"acme": company}, memberships={"u:u1": [Membership(1, "acme", 1)]})


def decide(sent: Event, to: Destination, directory: Known) -> Decision:
    """The whole decision, as a turn makes it."""
    early = decide_unopened(sent.source, to) or decide_unlooked(sent, to)
    return early or decide_gate(sent, "u:u1", 5, to, directory, Supplies(3, 5, ()))


@pytest.mark.parametrize(
    ("tables", "changes", "directory", "expected"),
    [
        ({}, {}, known(), DELIVER),
        ({}, {}, known(named=False), Held(Closed("group_name_unknown", "g:acme", "acme"))),
        ({}, {}, Known(), Held(Closed("group_unknown", "u:u1"))),
        ({}, {"user_id": None, "anonymous_id": "x"}, Known(), Settled("skipped", "no_user_id")),
        ({}, {"type": "page", "user_id": None}, Known(), Settled("skipped", "unsupported")),
        ({}, {"integrations": {"All": False}, "type": "page"}, Known(), Settled("filtered", "integrations")),
        ({"sources": ["app"]}, {"integrations": {"All": False}}, Known(), Settled("filtered", "source")),
        ({"sources": []}, {}, known(), Settled("filtered", "source")),
        ({"sources": ["app", "web"]}, {}, known(), DELIVER),
        ({"enabled": False, "sources": ["app"]}, {}, Known(), Settled("filtered", "disabled")),
        ({}, {"type": "identify"}, Known(), DELIVER),
        ({}, {"type": "group", "user_id": None, "group_id": "g"}, Known(), DELIVER),
    ],
    ids=[
        "everything known",
        "the group's name unknown",
        "no group",
        "no user before no group",
        "unsupported before no user",
        "integrations before unsupported",
        "source before integrations",
        "no source connected",
        "one of its sources",
        "disabled before source",
        "no requirement for identify",
        "no requirement for group",
    ],
)
def test_the_first_reason_in_order_decides(
    tables: dict[str, Any], changes: dict[str, Any], directory: Known, expected: Decision
) -> None:
    assert decide(event(**changes), made(**tables), directory) == expected


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        (None, True),
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"all": False}, False),
        ({"ALL": False}, False),
        ({"Vendor": False}, False),
        ({"vendor": False}, False),
        ({"VENDOR": False}, False),
        ({"d": False}, False),
        ({"D": False}, False),
        ({"Appboy": False}, False),
        ({"All": False, "Vendor": True}, True),
        ({"Vendor": True, "All": False}, True),
        ({"All": True, "Vendor": False}, False),
        ({"Vendor": False, "All": True}, False),
        ({"All": False, "Vendor": {"key": "value"}}, True),
        ({"All": False, "Vendor": {}}, True),
        ({"All": {}}, True),
        ({"Other": False}, True),
        ({"All": False, "Other": True}, False),
        ({"All": False, "Vendor": None}, True),
        ("no object", True),
        ([], True),
        (False, True),
    ],
    ids=str,
)
def test_an_integrations_object_lets_through_what_it_does_not_switch_off(integrations: Any, expected: bool) -> None:
    assert wanted(integrations, NAMES) is expected


def test_only_group_requirements_make_a_call_type_gated() -> None:
    assert gated_by("track", made()) == [Group("id", "name")]
    assert gated_by("identify", made()) == []
