"""One decision in its fixed order, each reason, and how an `integrations` object is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from router.decide.decide import (
    BLOCKED,
    DELIVER,
    DISABLED,
    NO_USER_ID,
    OPTED_OUT,
    OTHER_SOURCE,
    UNDECIDED,
    UNSUPPORTED,
    Decision,
    GateView,
    Held,
    Settled,
    Standing,
    decide,
    decide_source,
    gated_by,
    wanted,
)
from router.decide.gate import Closed
from router.decide.group_readiness import GroupReadiness
from router.plugin import Event, Group, UserId
from router.plugin_host import Destination
from router.store import DirectorySnapshot, GroupProfile, Membership
from tests.contract.rig import Plain, Vendor, destination

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = frozenset({"d", "vendor", "appboy"})
BEHIND = Closed("group_name_unknown", ("g:old",), "old")
"""The answer that a held event of the same user got before."""


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


def known(*, named: bool = True) -> DirectorySnapshot:
    company = GroupProfile({"name": "Acme"}, {"name": 1}) if named else GroupProfile({}, {})
    return DirectorySnapshot(companies={"acme": company}, memberships={"u:u1": [Membership(1, "acme", 1)]})


NOBODY = DirectorySnapshot()


def view(directory: DirectorySnapshot) -> GateView:
    """What the gate sees where every group call that was read counts."""
    return GateView(directory, GroupReadiness(3, 5, ()))


def standing(**more: Any) -> Standing:
    return Standing("u:u1", 5, **more)


@pytest.mark.parametrize(
    ("tables", "changes", "stands", "directory", "expected"),
    [
        ({}, {}, {}, known(), DELIVER),
        ({}, {}, {}, known(named=False), Held(Closed("group_name_unknown", ("g:acme",), "acme"))),
        ({}, {}, {}, NOBODY, Held(Closed("group_unknown", ("u:u1",)))),
        ({}, {"user_id": None, "anonymous_id": "x"}, {}, NOBODY, NO_USER_ID),
        ({}, {"type": "page", "user_id": None}, {}, NOBODY, UNSUPPORTED),
        ({}, {"integrations": {"All": False}, "type": "page"}, {}, NOBODY, OPTED_OUT),
        ({"sources": ["app"]}, {"integrations": {"All": False}}, {}, NOBODY, OTHER_SOURCE),
        ({"sources": []}, {}, {}, known(), OTHER_SOURCE),
        ({"sources": ["app", "web"]}, {}, {}, known(), DELIVER),
        ({"enabled": False, "sources": ["app"]}, {}, {}, NOBODY, DISABLED),
        ({}, {"type": "identify"}, {}, NOBODY, DELIVER),
        ({}, {"type": "group", "user_id": None, "group_id": "g"}, {}, NOBODY, DELIVER),
        # behind what its lane does
        ({}, {}, {"must_park": True}, known(), BLOCKED),
        ({}, {}, {"must_park": True}, NOBODY, Held(Closed("group_unknown", ("u:u1",)))),
        ({}, {"type": "identify"}, {"must_park": True}, NOBODY, BLOCKED),
        ({"enabled": False}, {}, {"must_park": True}, known(), DISABLED),
        ({}, {"integrations": {"All": False}}, {"must_park": True, "behind": BEHIND}, known(), OPTED_OUT),
        ({}, {}, {"behind": BEHIND}, known(), Held(BEHIND)),
        ({}, {}, {"behind": BEHIND, "must_park": True}, known(), Held(BEHIND)),
        ({}, {"type": "identify"}, {"behind": BEHIND}, NOBODY, DELIVER),
        ({}, {}, {"is_released": True}, NOBODY, DELIVER),
        ({}, {}, {"is_released": True, "behind": BEHIND}, NOBODY, DELIVER),
        ({}, {}, {"is_released": True, "must_park": True}, NOBODY, BLOCKED),
        ({}, {"user_id": None, "anonymous_id": "x"}, {"is_released": True}, NOBODY, NO_USER_ID),
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
        "its lane is blocked",
        "held before blocked",
        "blocked without a requirement",
        "disabled before blocked",
        "integrations before held",
        "behind a held event it is held though its gate is open",
        "behind a held event it is held rather than blocked",
        "without a requirement it goes past held events",
        "released by an operator",
        "released and behind a held event",
        "released into a blocked lane",
        "released without a user",
    ],
)
def test_the_first_reason_in_order_decides(
    tables: dict[str, Any],
    changes: dict[str, Any],
    stands: dict[str, Any],
    directory: DirectorySnapshot,
    expected: Decision,
) -> None:
    assert decide(event(**changes), made(**tables), standing(**stands), view(directory)) == expected


@pytest.mark.parametrize(
    ("type", "expected"),
    [("track", UNDECIDED), ("identify", DELIVER), ("page", UNSUPPORTED)],
    ids=["a gated type needs the directory", "another type does not", "nor does what is not sent"],
)
def test_without_the_directory_only_a_gated_event_stays_undecided(type: str, expected: Decision) -> None:
    assert decide(event(type), made()) == expected
    assert decide(event(type), made(), standing()) == expected


def test_behind_a_held_event_no_directory_is_needed() -> None:
    assert decide(event(), made(), standing(behind=BEHIND)) == Held(BEHIND)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({}, None),
        ({"sources": ["*"]}, None),
        ({"sources": ["web"]}, None),
        ({"sources": ["app"]}, Settled("filtered", "source")),
        ({"enabled": False}, Settled("filtered", "disabled")),
    ],
)
def test_an_event_of_no_connected_source_is_filtered_without_being_opened(
    tables: dict[str, Any], expected: Settled | None
) -> None:
    assert decide_source("web", made(**tables)) == expected


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
        ({"Vendor": True, "Appboy": False}, False),
        ({"Appboy": False, "Vendor": True}, False),
        ({"All": False, "Appboy": True, "Vendor": {}}, True),
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
