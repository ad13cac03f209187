"""The fold of the directory: one table of cases, held by the pure functions on a plain dict and by each store's own view."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.store import DirectoryUpdate
from router.store.folding import MAX_TRAITS_BYTES, Traits, View, fold, fold_late
from router.store.postgres.directory_view import LoadedDirectory
from router.store.sqlite.directory_writes import DirectoryRows
from router.store.sqlite.migrations import migrate
from router.traits import is_known


class DictView:
    """The rows in memory; histories are kept whole, so that a case can look at them."""

    def __init__(self) -> None:
        self.people: dict[str, Traits] = {}
        self.companies: dict[str, tuple[Traits, dict[str, int]]] = {}
        self.memberships: dict[str, list[tuple[int, str, int]]] = {}
        self.links: dict[str, list[tuple[int, str]]] = {}
        self.consent: dict[str, dict[str, bool]] = {}

    def person(self, user_key: str) -> Traits | None:
        return self.people.get(user_key)

    def put_person(self, user_key: str, traits: Traits) -> None:
        self.people[user_key] = traits

    def company(self, group_id: str) -> tuple[Traits, dict[str, int]] | None:
        return self.companies.get(group_id)

    def put_company(self, group_id: str, traits: Traits, since: Mapping[str, int]) -> None:
        self.companies[group_id] = traits, dict(since)

    def membership(self, user_key: str) -> tuple[str, int] | None:
        history = self.memberships.get(user_key)
        return history[-1][1:] if history else None

    def put_membership(self, user_key: str, pos: int, group_id: str, call_pos: int) -> None:
        self.memberships.setdefault(user_key, []).append((pos, group_id, call_pos))
        self.memberships[user_key].sort()

    def link(self, anonymous_key: str) -> str | None:
        history = self.links.get(anonymous_key)
        return history[-1][1] if history else None

    def put_link(self, anonymous_key: str, pos: int, user_key: str) -> None:
        self.links.setdefault(anonymous_key, []).append((pos, user_key))

    def tell_consent(self, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
        self.consent.setdefault(user_key, {}).update(told)

    def take_over_consent(self, from_key: str, user_key: str, pos: int) -> None:
        if from_key in self.consent and user_key not in self.consent:
            self.consent[user_key] = dict(self.consent[from_key])


@pytest.fixture(params=["dict", "sqlite", "postgres"])
def view(request: pytest.FixtureRequest) -> Iterator[View]:
    if request.param == "dict":
        yield DictView()
        return
    if request.param == "postgres":  # loaded from a directory that has nothing yet; test_store asks a server
        yield LoadedDirectory()
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        yield DirectoryRows(db)


def identify(user: str, traits: Traits | None = None, anonymous: str | None = None) -> DirectoryUpdate:
    link = (f"a:{anonymous}", f"u:{user}") if anonymous else None
    return DirectoryUpdate(f"u:{user}", user_traits=traits or {}, link=link)


def group(key: str, group_id: str, **traits: Any) -> DirectoryUpdate:
    return DirectoryUpdate(key, group_id=group_id, group_traits=traits, joins=not key.startswith("g:"))


def alias(user: str, previous: str) -> DirectoryUpdate:
    return DirectoryUpdate(f"u:{user}", link=(f"a:{previous}", f"u:{user}"), former=f"u:{previous}")


CASES: dict[str, tuple[list[DirectoryUpdate], dict[str, tuple[str, int] | None]]] = {
    "a group call makes its user a member": ([group("u:1", "a")], {"u:1": ("a", 1)}),
    "only a change of group is a new membership": ([group("u:1", "a"), group("u:1", "a")], {"u:1": ("a", 1)}),
    "the newest group counts": ([group("u:1", "a"), group("u:1", "b"), group("u:1", "a")], {"u:1": ("a", 3)}),
    "a group call without a user makes nobody a member": ([group("g:a", "a")], {"g:a": None}),
    "a user takes over the group of their anonymousId": (
        [group("a:x", "a"), identify("1", anonymous="x")],
        {"u:1": ("a", 1), "a:x": ("a", 1)},
    ),
    "a user who has a group takes nothing over": (
        [group("a:x", "a"), group("u:1", "own"), identify("1", anonymous="x")],
        {"u:1": ("own", 2)},
    ),
    "a group call of a linked anonymousId speaks for its user": (
        [identify("1", anonymous="x"), group("a:x", "a")],
        {"u:1": ("a", 2), "a:x": ("a", 2)},
    ),
    "it does not where that user has a group": (
        [group("u:1", "own"), identify("1", anonymous="x"), group("a:x", "a")],
        {"u:1": ("own", 1)},
    ),
    "the anonymousId speaks for the user it was linked to last": (
        [identify("1", anonymous="x"), identify("2", anonymous="x"), group("a:x", "a")],
        {"u:1": None, "u:2": ("a", 3)},
    ),
    "a link that says the same again takes nothing over": (
        [identify("1", anonymous="x"), group("a:y", "a"), identify("1", anonymous="x")],
        {"u:1": None},
    ),
    "an alias takes over the group of the user it names": (
        [group("u:old", "a"), alias("new", "old")],
        {"u:new": ("a", 1), "u:old": ("a", 1)},
    ),
    "an alias takes over the group of an anonymousId": ([group("a:x", "a"), alias("1", "x")], {"u:1": ("a", 1)}),
}


@pytest.mark.parametrize(("told", "members"), CASES.values(), ids=CASES.keys())
def test_memberships(view: View, told: list[DirectoryUpdate], members: dict[str, tuple[str, int] | None]) -> None:
    for pos, update in enumerate(told, start=1):
        fold(view, pos, update)
    assert {key: view.membership(key) for key in members} == members


def test_links_follow_the_newest_call(view: View) -> None:
    for pos, user in enumerate(("1", "2", "2", "1"), start=1):
        fold(view, pos, identify(user, anonymous="x"))
        assert view.link("a:x") == f"u:{user}"
    if isinstance(view, DictView):
        assert view.links["a:x"] == [(1, "u:1"), (2, "u:2"), (4, "u:1")]


def test_a_membership_begins_with_the_link_and_names_the_call_that_told_it() -> None:
    view = DictView()
    fold(view, 1, group("a:x", "a"))
    fold(view, 2, identify("1", anonymous="x"))
    assert view.memberships["u:1"] == [(2, "a", 1)]


# ------------------------------------------------------------ traits


@pytest.mark.parametrize(
    ("value", "known"),
    [(None, False), ("", False), (" \t", False), ("x", True), (0, True), (False, True), ([], True), ({}, True)],
)
def test_null_and_blank_text_tell_nothing(value: object, known: bool) -> None:
    assert is_known(value) is known


def test_a_call_without_traits_makes_no_person(view: View) -> None:
    fold(view, 1, identify("1"))
    assert view.person("u:1") is None


def test_traits_that_do_not_fit_go_oldest_first(view: View) -> None:
    fold(view, 1, identify("1", {"old": "x" * 20_000}))
    fold(view, 2, identify("1", {"new": "y" * 20_000}))
    assert list(view.person("u:1") or {}) == ["new"]


def test_one_trait_beyond_the_cap_leaves_nothing_behind(view: View) -> None:
    fold(view, 1, identify("1", {"big": "x" * (MAX_TRAITS_BYTES + 1)}))
    assert view.person("u:1") == {}


def test_many_small_traits_are_cut_to_the_cap(view: View) -> None:
    fold(view, 1, identify("1", {f"a{n}": n for n in range(2_500)}))
    fold(view, 2, identify("1", {f"b{n}": n for n in range(2_500)}))
    assert len(msgspec.json.encode(view.person("u:1"))) <= MAX_TRAITS_BYTES


def company(view: View) -> tuple[Traits, dict[str, int]]:
    """What is stored of acme."""
    found = view.company("acme")
    assert found is not None
    return found


def test_what_is_told_again_is_the_last_to_go(view: View) -> None:
    fold(view, 1, group("g:acme", "acme", name="Acme"))
    for pos in range(2, 12):
        fold(view, pos, group("g:acme", "acme", **{"name": "Acme", f"note{pos}": "x" * 10_000}))
        assert list(company(view)[0])[-2:] == ["name", f"note{pos}"]
    assert company(view)[1] == {"name": 1, "note10": 10, "note11": 11, "note9": 9}


def test_of_one_call_that_is_too_large_the_largest_traits_go(view: View) -> None:
    fold(view, 1, group("g:acme", "acme", name="Acme", story="x" * 40_000, plan="pro"))
    assert company(view)[0] == {"name": "Acme", "plan": "pro"}


def test_a_blank_trait_does_not_count_as_told_again(view: View) -> None:
    fold(view, 1, group("g:acme", "acme", name="Acme", plan="pro"))
    fold(view, 2, group("g:acme", "acme", name=""))
    assert list(company(view)[0].items()) == [("name", "Acme"), ("plan", "pro")]


def test_what_is_told_late_adds_to_the_directory_and_replaces_nothing(view: View) -> None:
    fold(view, 9, identify("1", {"plan": "pro"}))
    fold(view, 9, group("u:1", "acme", plan="pro"))
    fold_late(view, 3, identify("1", {"plan": "free", "name": "Ann"}))
    fold_late(view, 3, group("g:acme", "acme", plan="free", name="Acme"))
    assert view.person("u:1") == {"plan": "pro", "name": "Ann"}
    assert company(view) == ({"plan": "pro", "name": "Acme"}, {"plan": 3, "name": 3})


def test_a_membership_that_is_told_late_begins_at_its_own_position(view: View) -> None:
    fold(view, 9, group("u:1", "b"))
    fold_late(view, 3, group("u:1", "a"))
    assert view.membership("u:1") == ("b", 9)
    if isinstance(view, DictView):
        assert view.memberships["u:1"] == [(3, "a", 3), (9, "b", 9)]
