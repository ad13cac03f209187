"""What is said of nodes that share a store."""

from __future__ import annotations

from typing import Any

from router.explain import cluster_phrases


def side(value: str | None, *nodes: str) -> dict[str, Any]:
    return {"value": value, "nodes": list(nodes)}


def told(**more: Any) -> dict[str, Any]:
    return {"nodes": [], "units": [], "duties": [], "differs": [], **more}


def test_who_does_what_for_all_is_said_and_that_nobody_trims() -> None:
    duties = [{"duty": "housekeeping", "node": None}, {"duty": "notices", "node": "a"}]
    assert list(cluster_phrases.duties(told(duties=duties))) == [
        "no node trims the log now; one will within a minute",
        "a sends the messages of [notify]",
    ]


def test_that_nobody_sends_messages_is_not_said_as_perhaps_nobody_wants_any() -> None:
    duties = [{"duty": "housekeeping", "node": "a"}, {"duty": "notices", "node": None}]
    assert list(cluster_phrases.duties(told(duties=duties))) == ["a trims the log"]


def test_of_a_destination_that_differs_it_is_said_who_has_the_active_one() -> None:
    one = {
        "what": "destination crm",
        "active": "new",
        "sides": [side("new", "a"), side("old", "b", "c"), side(None, "d")],
    }
    assert list(cluster_phrases.differences(told(differs=[one]))) == [
        "destination crm differs: active at a; not active at b, c; not configured at d"
    ]


def test_that_nobody_has_the_active_one_is_said() -> None:
    one = {"what": "destination crm", "active": "new", "sides": [side("old", "a", "b")]}
    assert list(cluster_phrases.differences(told(differs=[one]))) == [
        "destination crm differs: not active at a, b; no node that lives has the active one"
    ]


def test_of_what_is_never_active_the_sides_are_said() -> None:
    source = {"what": "source website", "active": None, "sides": [side("1234567890", "a"), side("abcdef0123", "b")]}
    version = {"what": "version", "active": None, "sides": [side("0.3.0", "a"), side("0.2.0", "b")]}
    assert list(cluster_phrases.differences(told(differs=[source, version]))) == [
        "source website differs: as 123456 at a; as abcdef at b",
        "version differs: 0.3.0 at a; 0.2.0 at b",
    ]


def test_a_destination_without_a_node_is_said_with_how_long() -> None:
    units = [
        {"destination": "crm", "node": None, "without_owner_s": 45.2},
        {"destination": "hook", "node": "a", "without_owner_s": 0.0},
        {"destination": "of others", "node": None, "without_owner_s": 0.0},
    ]
    assert list(cluster_phrases.without_owner(told(units=units))) == ["no node has delivered to crm for 45 s"]
