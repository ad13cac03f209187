"""What a plugin's own code raises is told with file and line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.plugin_host.fault_place import MAX_WORDS, fault_words, said_by

PACKAGE = "acme_of_this_test"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """The words about a package whose `destination` has this text."""
    monkeypatch.syspath_prepend(tmp_path)

    def told(text: str) -> str:
        (tmp_path / PACKAGE).mkdir()
        (tmp_path / PACKAGE / "__init__.py").write_text("import os\nfrom .destination import Acme\n")
        (tmp_path / PACKAGE / "destination.py").write_text(text)
        with pytest.raises(BaseException) as raised:  # noqa: PT011  # whatever it is
            importlib.import_module(PACKAGE)
        return fault_words(raised.value, f"{PACKAGE}.destination")

    yield told
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_the_place_is_the_last_line_of_the_package_that_ran(told: Callable[[str], str]) -> None:
    assert told("\n\nx = undefined_name\n").endswith(f"is not defined (at {PACKAGE}/destination.py:3)")


def test_it_is_its_own_line_also_where_a_library_raised(told: Callable[[str], str]) -> None:
    words = told("import json\njson.loads('{')\n")
    assert words.startswith("JSONDecodeError: ")
    assert words.endswith(f"(at {PACKAGE}/destination.py:2)")


def test_a_module_that_is_not_there_is_told_where_it_is_imported(told: Callable[[str], str]) -> None:
    place = f"{PACKAGE}/__init__.py:2"
    assert told("Nothing = 1\n").endswith(f"(at {place})")


def test_a_file_that_is_no_python_names_its_place_itself(told: Callable[[str], str]) -> None:
    assert told("x = (\n").endswith("(destination.py, line 1)")


def test_without_a_line_of_the_package_no_place_is_told() -> None:
    assert fault_words(RuntimeError("boom"), PACKAGE) == "RuntimeError: boom"


class Wordless(Exception):
    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def __str__(self) -> str:
        raise self.fault


@pytest.mark.parametrize("fault", [RuntimeError("no words"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_an_exception_that_cannot_be_worded_is_told_as_such(fault: BaseException) -> None:
    assert fault_words(Wordless(fault), PACKAGE) == "Wordless: its __str__ raises"


def test_of_endless_words_both_ends_are_told() -> None:
    words = said_by(ValueError("first " + "x" * 3_000_000 + " last"))
    assert words.startswith("first ")
    assert words.endswith(" last")
    assert len(words) <= MAX_WORDS


def test_words_with_half_a_character_can_be_stored() -> None:
    assert said_by(ValueError("half \udcff of one")).encode() == b"half ? of one"
