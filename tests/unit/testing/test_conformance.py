"""The conformance checks: a good plugin passes all of them, and each bad one is caught by its own check only."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any

import pytest

from router.testing.checking import loops
from router.testing.checking.check import TIERS, Check, Tier
from router.testing.checking.report import (
    BLOCKED,
    FAILED,
    LACKING,
    NOT_APPLICABLE,
    OK,
    Report,
    Result,
    Runner,
    tier_of,
    words_of,
)
from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS, THEMES
from tests.sampled import DEAR, every, once_for_each
from tests.unit.testing.bad_plugins import (
    also_good,
    good_senders,
    of_answers,
    of_batches,
    of_form,
    of_living,
    of_mapping,
    of_preparing,
    of_requests,
    of_sending,
    of_surroundings,
)
from tests.unit.testing.bad_plugins.good import Base, Good, ReadsResults
from tests.unit.testing.bad_plugins.of_rows import ROWS

pytestmark = pytest.mark.usefixtures("prepared_apart")
SETTINGS = {"token": "a-secret-of-the-test"}
BY_NAME = {check.name: check for check in CHECKS}


def report_of(plugin: type[Any], settings: dict[str, Any] = SETTINGS, **options: Any) -> Report:
    return Runner(Subject(plugin, settings, **options), CHECKS).report()


def told(report: Report) -> str:
    return "\n".join(
        line for result in report.results if result.result in (FAILED, LACKING) for line in words_of(result)
    )


def plugins_of(module: ModuleType) -> Iterator[type[Base]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Base) and value.__module__ == module.__name__:
            yield value


def bad_plugins() -> Iterator[type[Base]]:
    for module in (of_form, of_mapping, of_surroundings, of_requests, of_batches, of_answers, of_sending, of_living):
        yield from (plugin for plugin in plugins_of(module) if plugin.caught_by)


BAD = list(bad_plugins())


@pytest.fixture(autouse=True)
def _ends_threads() -> Iterator[None]:
    of_living.LeavesAThread.ended.clear()
    yield
    of_living.LeavesAThread.ended.set()


@pytest.mark.long
def test_a_good_plugin_is_gold_and_nearly_every_check_has_looked_at_it() -> None:
    report = report_of(Good)
    assert report.tier is Tier.GOLD, told(report)
    assert [result.check.name for result in report.results if result.result == NOT_APPLICABLE] == [
        "idempotency_keys",
        "results_by_item",
        "own_troubles",
        "results_read",
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    "dear", [pytest.param(DEAR, id="but for what is dear"), pytest.param((), id="whole", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "plugin",
    every(3, [ReadsResults, *plugins_of(also_good), *plugins_of(good_senders)]),
    ids=lambda plugin: plugin.__name__,
)
def test_a_good_plugin_that_looks_odd_is_gold(plugin: type[Base], dear: Collection[str]) -> None:
    runner = Runner(Subject(plugin, SETTINGS, **plugin.options), CHECKS)
    report = Report([runner.result(check) for check in CHECKS if check.name not in dear])
    assert report.tier is Tier.GOLD, told(report)


def name_of(plugin: type[Base]) -> str:
    return f"{plugin.caught_by}-{plugin.__name__}"


@pytest.mark.long
@pytest.mark.parametrize("plugin", once_for_each(BAD, key=lambda plugin: plugin.caught_by), ids=name_of)
def test_a_bad_plugin_is_caught_by_its_own_check(plugin: type[Base]) -> None:
    runner = Runner(Subject(plugin, SETTINGS, **plugin.options), CHECKS)
    result = runner.result(BY_NAME[plugin.caught_by])
    assert result.result in (FAILED, LACKING), result


@pytest.mark.long
@pytest.mark.parametrize("plugin", every(8, BAD), ids=name_of)
def test_a_bad_plugin_is_caught_by_no_other_check_of_that_theme(plugin: type[Base]) -> None:
    own = BY_NAME[plugin.caught_by]
    runner = Runner(Subject(plugin, SETTINGS, **plugin.options), CHECKS)
    asked = [check for check in CHECKS if check is own or (check.theme == own.theme and check.name not in DEAR)]
    results = [runner.result(check) for check in asked]
    assert {result.check for result in results if result.result in (FAILED, LACKING)} == {own}, results


@pytest.mark.long
@pytest.mark.parametrize(  # all of them are 171 reports of 3 s each
    "plugin", every(57, BAD), ids=name_of
)
def test_a_bad_plugin_is_caught_by_no_check_of_another_theme_and_misses_the_tier(plugin: type[Base]) -> None:
    report = report_of(plugin, **plugin.options)
    failed = {result.check.name for result in report.results if result.result in (FAILED, LACKING)}
    assert failed == {plugin.caught_by}, told(report)
    tier = BY_NAME[plugin.caught_by].tier
    assert report.tier is None or TIERS.index(report.tier) < TIERS.index(tier)


@pytest.mark.parametrize("name", ["too_large", "cancellable", "forget_sends_them"])
def test_a_login_that_the_made_up_vendor_does_not_know_is_taken_for_no_request_of_items(name: str) -> None:
    runner = Runner(Subject(of_preparing.LogsInItsOwnWay, SETTINGS), CHECKS)
    result = runner.result(BY_NAME[name])
    assert (result.result, result.cause) == (BLOCKED, "success")


@pytest.mark.long
def test_what_a_plugin_replaced_is_put_back() -> None:
    before = socket.create_connection
    report_of(of_surroundings.ReplacesAFunctionOfPython)
    assert socket.create_connection is before


@pytest.mark.long
@pytest.mark.parametrize(("words", "plugin", "checks"), every(3, [pytest.param(*row, id=row[0]) for row in ROWS]))
def test_a_plugin_that_misbehaves_is_caught(
    words: str, plugin: type[Base], checks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "PATIENCE_S", 0.5)  # of what never ends
    runner = Runner(Subject(plugin, SETTINGS, **plugin.options), CHECKS)
    results = {name: runner.result(BY_NAME[name]) for name in checks}
    assert FAILED in {result.result for result in results.values()}, results


@pytest.mark.long
@pytest.mark.parametrize("plugin", of_preparing.ALSO_GOOD, ids=lambda plugin: plugin.__name__)
def test_a_plugin_may_ask_for_something_before_it_sends(plugin: type[Base]) -> None:
    runner = Runner(Subject(plugin, SETTINGS), CHECKS)
    checks = ("errors_not_delivered", "attempts_repeat", "own_retries", "instances_apart")
    results = {name: runner.result(BY_NAME[name]) for name in checks}
    assert {result.result for result in results.values()} == {OK}, results


def test_every_check_has_a_plugin_that_it_catches() -> None:
    assert {plugin.caught_by for plugin in BAD} == set(BY_NAME)


def test_each_check_says_what_it_proves_why_and_what_to_do() -> None:
    assert len(BY_NAME) == len(CHECKS)
    for check in CHECKS:
        for words in (check.proves, check.why, check.fix):
            assert words[0].isupper() or words.startswith(("`", "_", "401", "403", "408", "413", "429")), words
            assert words.endswith("."), words
        assert set(check.needs) <= set(BY_NAME), check.name


def test_each_theme_is_described_in_the_docstring_of_the_package() -> None:
    import router.testing.checks

    words = router.testing.checks.__doc__ or ""
    assert [theme.__name__ for theme in THEMES if f"\n{theme.__name__.rpartition('.')[2]} " not in words] == []


# ---------------------------------------------------------------- tiers


def results(**told: str) -> list[Result]:
    """One result for each tier that is named, and a bronze one that passed."""
    checks = [Check(name, Tier(name.partition("_")[0]), "P.", "W.", "F.", lambda subject: iter(())) for name in told]
    return [Result(check, result, ("words",)) for check, result in zip(checks, told.values(), strict=True)]


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"bronze": OK, "silver": OK, "gold": OK}, "gold"),
        ({"bronze": OK, "silver": OK, "gold": FAILED}, "silver"),
        ({"bronze": OK, "silver": FAILED, "gold": OK}, "bronze"),
        ({"bronze": FAILED, "silver": OK, "gold": OK}, None),
        ({"bronze": OK, "bronze_2": NOT_APPLICABLE, "silver": OK, "gold": OK}, "gold"),
        ({"bronze": OK, "silver": OK, "silver_2": LACKING, "gold": OK}, "bronze"),
        ({"bronze": OK, "silver": OK, "silver_2": BLOCKED, "gold": OK}, "bronze"),
        ({"bronze": OK, "silver": NOT_APPLICABLE, "gold": OK}, "bronze"),
        ({"bronze": NOT_APPLICABLE}, None),
        ({}, None),
    ],
)
def test_a_tier_needs_every_check_to_pass_or_not_to_apply_and_one_to_pass(
    told: dict[str, str], tier: str | None
) -> None:
    assert tier_of(results(**told)) == tier


def test_without_checks_nothing_is_run() -> None:
    with pytest.raises(ValueError, match="there are no conformance checks"):
        Runner(Subject(Good, SETTINGS), ())


def test_a_finding_says_what_came_what_is_expected_what_is_proved_why_and_how_to_correct_it() -> None:
    runner = Runner(Subject(of_form.Nameless, SETTINGS), CHECKS)
    words = list(words_of(runner.result(BY_NAME["names_listed"])))
    assert words[0] == "names_listed (gold): failed"
    assert [line.partition(":")[0].strip() for line in words[1:]] == ["proves", "why", "fix", "found"]
    assert words[-1] == "  found: display_names: none; expected the names of the tool"


def test_a_check_that_needs_another_one_is_not_made_where_that_failed() -> None:
    runner = Runner(Subject(of_form.NotToBeMade, SETTINGS), CHECKS)
    result = runner.result(BY_NAME["deterministic"])
    assert (result.result, result.words[0].partition(":")[0]) == (BLOCKED, "check instance failed")
