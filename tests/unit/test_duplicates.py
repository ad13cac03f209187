"""Message ids that came again are remembered, the newest of them, until somebody is forgotten."""

from __future__ import annotations

from router.duplicates import MOST, Duplicates, Repeated


def test_how_often_an_id_came_again_is_counted_by_source() -> None:
    duplicates = Duplicates()
    for source, at in (("web", 1), ("web", 3), ("app", 2)):
        duplicates.add(source, "m1", "track", at)
    assert duplicates.of("web", "m1") == Repeated("web", "m1", "track", 2, 3)
    assert duplicates.of("web", "m2") is None
    assert [one.source for one in duplicates.newest(1)] == ["app"]


def test_the_newest_thousand_are_remembered() -> None:
    duplicates = Duplicates()
    for n in range(MOST + 1):
        duplicates.add("web", f"m{n}", "track", n)
    assert len(duplicates.newest(2 * MOST)) == MOST
    assert duplicates.of("web", "m0") is None


def test_nothing_is_remembered_after_somebody_was_forgotten() -> None:
    duplicates = Duplicates()
    duplicates.add("web", "of-ann", "track", 1)
    duplicates.clear()
    assert duplicates.newest(MOST) == []
