"""Consent, decided: every worked case, the two vocabularies, and what the answer never depends on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import DestinationConfig
from router.consent import UPDATED, Need, Requirement, Withheld, read_preferences
from router.decide.decide import wanted
from router.plugin_host import compile_consent
from tests.unit.consent.consent_cases import CASES, Case


def decided(case: Case) -> tuple[str, str]:
    """Consent first, then the event's own integrations."""
    config = DestinationConfig.model_validate({"plugin": "p", **case.destination})
    requirement = compile_consent(config)
    withheld = requirement.withheld(case.call) if requirement is not None else None
    if withheld is not None:
        return "filtered", withheld.reason
    if not wanted(case.event.get("integrations"), frozenset({config.name})):
        return "filtered", "integrations"
    return "go", ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.n} {case.why}")
def test_a_worked_case(case: Case) -> None:
    assert decided(case) == case.expected


def test_there_are_as_many_cases_as_were_agreed() -> None:
    assert len(CASES) == 21


def segment(**preferences: Any) -> dict[str, Any]:
    return {"type": "track", "event": "E", "context": {"consent": {"categoryPreferences": preferences}}}


def rudderstack(**management: Any) -> dict[str, Any]:
    return {"type": "track", "event": "E", "context": {"consentManagement": management}}


NEEDS_BOTH = Requirement(Need(("ads", "marketing")))


def test_the_answer_names_the_ids_that_lack_in_the_order_of_the_configuration() -> None:
    assert NEEDS_BOTH.withheld(segment(marketing=False)) == Withheld("consent", ("ads", "marketing"))
    assert NEEDS_BOTH.withheld(segment(ads=True, marketing=False)) == Withheld("consent", ("marketing",))
    assert Withheld("consent", ("ads", "marketing")).detail == "ads, marketing"


@pytest.mark.parametrize("context", [None, [], "x", {}, {"consent": None}, {"consent": []}, {"consent": {"categoryPreferences": []}},
    {"consentManagement": {}}, {"consentManagement": []}, {"consentManagement": {"provider": "custom"}},
    {"consentManagement": {"allowedConsentIds": "ads", "deniedConsentIds": "ads"}}])  # fmt: skip
def test_what_is_no_object_of_consent_counts_as_none(context: Any) -> None:
    assert read_preferences({"context": context}) is None
    assert NEEDS_BOTH.withheld({"context": context}) is None
    assert Requirement(Need(("ads",)), blocks_missing=True).withheld({"context": context}) == Withheld(
        "consent_missing"
    )


def test_segments_object_comes_before_that_of_rudderstack() -> None:
    both = {"context": {**segment(ads=False)["context"], **rudderstack(allowedConsentIds=["ads"])["context"]}}
    assert Requirement(Need(("ads",))).withheld(both) == Withheld("consent", ("ads",))


def test_an_empty_consent_object_leaves_the_word_to_rudderstacks() -> None:
    both = {"context": {"consent": {}, **rudderstack(deniedConsentIds=["ads"])["context"]}}
    assert Requirement(Need(("ads",))).withheld(both) == Withheld("consent", ("ads",))


def test_a_denied_id_is_not_given_though_it_is_allowed_too() -> None:
    both = rudderstack(allowedConsentIds=["ads"], deniedConsentIds=["ads"])
    assert Requirement(Need(("ads",))).withheld(both) == Withheld("consent", ("ads",))


def test_an_allowed_object_counts_with_all_its_lists() -> None:
    call = rudderstack(allowedConsentIds={"purposes": ["ads"], "vendors": ["marketing", "", 7], "version": "x"})
    assert NEEDS_BOTH.withheld(call) is None


def test_one_of_several_is_enough_where_any_will_do() -> None:
    any_of = Requirement(Need(("ads", "marketing"), is_any=True))
    assert any_of.withheld(segment(marketing=True)) is None
    assert any_of.withheld(segment(other=True)) == Withheld("consent", ("ads", "marketing"))


def test_only_the_update_itself_goes_on_whatever_it_says() -> None:
    sends = Requirement(Need(("ads",)), sends_updates=True)
    assert sends.withheld({**segment(ads=False), "event": UPDATED}) is None
    assert sends.withheld({**segment(ads=False), "event": UPDATED, "type": "page"}) is not None
    assert sends.withheld(segment(ads=False)) is not None


# ---------------------------------------------------------------- what never depends on what

IDS = st.sampled_from(["ads", "Ads", "marketing", "a b", "ü", "analytics"])
VALUES = st.sampled_from([True, False, None, 0, 1, "", "true", "yes", 1.5])
PREFERENCES = st.dictionaries(IDS, VALUES)
NEEDS = st.lists(IDS, min_size=1, max_size=4, unique=True).map(tuple)


@given(NEEDS, PREFERENCES, st.booleans())
def test_an_event_goes_on_if_the_bool_true_stands_at_all_or_any_of_the_ids(
    ids: tuple[str, ...], preferences: dict[str, Any], is_any: bool
) -> None:
    true = [preferences.get(id) is True for id in ids]
    goes_on = Requirement(Need(ids, is_any)).withheld(segment(**preferences)) is None
    assert goes_on == (any(true) if is_any else all(true))


@given(NEEDS, PREFERENCES, st.booleans(), st.booleans(), st.booleans())
def test_what_is_missing_matters_only_where_nothing_is_said(
    ids: tuple[str, ...], preferences: dict[str, Any], is_any: bool, blocks: bool, sends: bool
) -> None:
    need, call = Need(ids, is_any), segment(**preferences)
    assert Requirement(need, blocks, sends).withheld(call) == Requirement(need).withheld(call)


@given(NEEDS, st.sets(IDS), st.sets(IDS), st.booleans())
def test_rudderstacks_lists_say_the_same_as_segments_object(
    ids: tuple[str, ...], allowed: set[str], denied: set[str], is_any: bool
) -> None:
    requirement = Requirement(Need(ids, is_any))
    same = segment(**dict.fromkeys(allowed, True) | dict.fromkeys(denied, False))
    lists = rudderstack(allowedConsentIds=sorted(allowed), deniedConsentIds=sorted(denied))
    assert requirement.withheld(lists) == requirement.withheld(same)


@given(NEEDS, st.sets(IDS))
def test_denied_ids_alone_keep_back_exactly_what_needs_one_of_them(ids: tuple[str, ...], denied: set[str]) -> None:
    withheld = Requirement(Need(ids)).withheld(rudderstack(deniedConsentIds=sorted(denied)))
    assert (withheld is not None) == bool(denied.intersection(ids))


@given(NEEDS, PREFERENCES, IDS, st.booleans())
def test_more_consent_never_keeps_an_event_back(
    ids: tuple[str, ...], preferences: dict[str, Any], more: str, is_any: bool
) -> None:
    requirement = Requirement(Need(ids, is_any))
    if requirement.withheld(segment(**preferences)) is None:
        assert requirement.withheld(segment(**{**preferences, more: True})) is None


@given(NEEDS, PREFERENCES, st.sets(IDS), st.booleans())
def test_a_withdrawal_says_what_the_event_would_say_without_these_categories(
    ids: tuple[str, ...], preferences: dict[str, Any], denied: set[str], is_any: bool
) -> None:
    requirement = Requirement(Need(ids, is_any))
    if not denied or requirement.withheld(segment(**preferences)) is not None:
        return
    without = segment(**preferences | dict.fromkeys(denied, False))
    withdrawn, withheld = requirement.withdrawn(segment(**preferences), denied), requirement.withheld(without)
    assert (withdrawn and withdrawn.lacking) == (withheld and withheld.lacking)
    assert withdrawn is None or withdrawn.reason == "consent_withdrawn"


@given(NEEDS, st.recursive(VALUES, lambda inner: st.dictionaries(st.sampled_from(
    ["consent", "categoryPreferences", "consentManagement", "allowedConsentIds", "deniedConsentIds"]), inner) | st.lists(inner),
    max_leaves=12))  # fmt: skip
def test_no_context_makes_it_fail(ids: tuple[str, ...], context: Any) -> None:
    answer = Requirement(Need(ids), blocks_missing=True).withheld({"context": context})
    assert answer is None or answer.reason in ("consent", "consent_missing")
