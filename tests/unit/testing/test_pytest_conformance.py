"""`conformance` in another project: ids, what a failure shows, what is skipped, and that nothing passes which was not looked at."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import NamedTuple

import pytest

from router.testing import conformance
from router.testing.checks import CHECKS
from tests.flow.harness import unmeasured
from tests.unit.testing.bad_plugins.good import Good

PLUGIN = """
from router.plugin import Event, Item, Request, SecretStr, Settings, hookimpl, json_request


class DeskSettings(Settings):
    token: SecretStr
    base_url: str = "https://desk.example.com"


class Desk:
    settings_model = DeskSettings

    def __init__(self, settings: DeskSettings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event) -> Item:
        return Item({"id": event.message_id, "name": event.name})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request(f"{self.settings.base_url}/events", items[0].body)


class Nothing:
    settings_model = Settings

    def __init__(self, settings: Settings) -> None:
        pass


class OfOrders(Desk):
    @hookimpl
    def track(self, event: Event) -> list[Item]:
        return [Item({"id": event.message_id})] if event.name == "Refund" else []
"""
TESTS = {
    "gold": "test_conformance = conformance(Desk)",
    "silver": 'test_conformance = conformance(Desk, tier="silver")',
    "nothing": "test_conformance = conformance(Nothing)",
    "orders": 'test_conformance = conformance(OfOrders, tier="silver")',
    "orders_given": (
        'REFUND = {"type": "track", "userId": "u1", "event": "Refund"}\n'
        'test_conformance = conformance(OfOrders, calls=[REFUND], tier="silver")'
    ),
    "vendor": (
        "from router.testing import Reply\n"
        'test_conformance = conformance(Desk, vendor=Reply(503), tier="silver")'
    ),
    "scene": (
        "import pytest\nfrom router.testing import Scene\n\n\n@pytest.fixture\ndef my_scene():\n    return Scene()\n\n\n"
        'test_conformance = conformance(Desk, scene="my_scene", tier="silver")'
    ),
}  # fmt: skip


class Ran(NamedTuple):
    """What pytest said of one of the files."""

    out: str
    results: dict[str, str]  #: of each check

    @property
    def failed(self) -> set[str]:
        """The checks that did."""
        return {name for name, result in self.results.items() if result == "FAILED"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """One run for all files, in a project of their own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "desk.py").write_text(PLUGIN)
    imports = "from desk import Desk, Nothing, OfOrders\nfrom router.testing import conformance\n"
    for name, text in TESTS.items():
        (folder / f"test_{name}.py").write_text(f"{imports}{text}\n")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    options = ["-v", "-rs", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=folder, env=unmeasured(), capture_output=True, text=True, check=False)
    told = re.findall(r"^test_(\w+)\.py::test_conformance\[(\w+)\] (\w+)", done.stdout, re.MULTILINE)
    found = {name: Ran(done.stdout, {check: result for of, check, result in told if of == name}) for name in TESTS}
    assert done.returncode == 1
    assert {len(one.results) for one in found.values()} == {len(CHECKS)}, done.stdout + done.stderr
    return found


@pytest.mark.long
def test_each_check_is_a_test_and_a_failure_says_all_that_an_author_needs(ran: dict[str, Ran]) -> None:
    out, results = ran["gold"]
    assert results["deterministic"] == "PASSED"
    assert results["lifetime_opens"] == "SKIPPED"
    assert ran["gold"].failed == {
        "settings_described",
        "bad_address_refused",
        "names_listed",
        "version_named",
        "forget_said",
        "forget_group_said",
    }
    shown = out.partition("names_listed (gold): failed\n")[2].partition("____")[0]
    for word in ("proves: ", "why: ", "fix: ", "found: display_names: none; expected"):
        assert f"\n  {word}" in f"\n{shown}"
    assert "Traceback" not in out


@pytest.mark.long
def test_what_a_higher_tier_asks_for_is_skipped(ran: dict[str, Ran]) -> None:
    out, results = ran["silver"]
    assert (ran["silver"].failed, results["names_listed"]) == (set(), "SKIPPED")
    assert "for gold, above silver: display_names: none" in out


@pytest.mark.long
def test_a_class_without_a_hook_fails_and_nothing_of_its_behaviour_passes(ran: dict[str, Ran]) -> None:
    assert ran["nothing"].failed == {"hooks"}
    form = {check.name for check in CHECKS if check.theme == "form"}
    assert {name for name, result in ran["nothing"].results.items() if result == "PASSED"} <= form


@pytest.mark.long
def test_checks_that_have_nothing_to_look_at_fail_until_a_call_is_given(ran: dict[str, Ran]) -> None:
    assert ran["orders"].failed == {"exercised"}
    assert ran["orders_given"].failed == set()


@pytest.mark.long
def test_a_vendor_that_takes_nothing_is_no_success(ran: dict[str, Ran]) -> None:
    assert ran["vendor"].failed == {"success"}


@pytest.mark.long
def test_a_scene_may_be_a_fixture(ran: dict[str, Ran]) -> None:
    assert (ran["scene"].failed, ran["scene"].results["only_by_sender"]) == (set(), "SKIPPED")


test_conformance = pytest.mark.long(conformance(Good, {"token": "a-secret-of-the-test"}))
"""The one line that a plugin's author writes, in any order of its tests."""


def test_only_a_class_is_taken() -> None:
    with pytest.raises(TypeError, match="got str: want the class of the plugin"):
        conformance("greeter")  # type: ignore[arg-type]


def test_only_a_tier_that_there_is_is_taken() -> None:
    with pytest.raises(ValueError, match="platinum"):
        conformance(int, tier="platinum")
