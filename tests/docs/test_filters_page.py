"""docs/filters.md: its tables load, its expressions are good, its mistakes are refused, and it names every function."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.filters import FilterError, compile_condition
from router.filters.functions import FUNCTIONS
from router.plugin_host import read
from tests.docs.pages import ROOT, blocks, sections

PAGE = ROOT / "docs/filters.md"
SOURCE = '[[source]]\nname = "website"\nwrite_key = "k"\n'


def first_cells(section: str, header: str) -> list[str]:
    """What stands between backquotes in the first cells of the table with this header."""
    table = sections(PAGE)[section].partition(header)[2].partition("\n\n")[0]
    return [found[1] for line in table.splitlines() if (found := re.match(r"\| `(.*?)` \|", line))]


@pytest.mark.parametrize("number", range(2))
def test_its_tables_load_without_a_warning_about_filters(tmp_path: Path, number: int) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SOURCE + list(blocks(PAGE, "toml"))[number].text)
    config, destinations = read(path, {"BRAZE_API_KEY": "k"})
    assert destinations[0].filter is not None
    assert [warning for warning in config.warnings if warning.key.startswith("filter")] == []


def test_its_expressions_are_good() -> None:
    shown = first_cells("The language", "| Write | For |")
    assert len(shown) > 6
    for text in shown:
        compile_condition(text)


def test_what_it_says_is_refused_is_refused() -> None:
    shown = first_cells("Coming from Segment", "| Refused | Why | Write |")
    assert len(shown) > 3
    for text in shown:
        with pytest.raises(FilterError):
            compile_condition(text)


def test_the_mistake_it_shows_is_told_in_these_words(tmp_path: Path) -> None:
    (block,) = blocks(PAGE, "text")
    path = tmp_path / "config.toml"
    path.write_text(
        f'{SOURCE}[[destination]]\nname = "braze"\nplugin = "braze"\nmode = "dry-run"\nfilter = "event == \'Paid\'"\n'
    )
    with pytest.raises(ConfigError) as refused:
        read(path, {})
    assert block.text.strip() in str(refused.value)


def test_it_names_every_function() -> None:
    assert [name for name in FUNCTIONS if not re.search(rf"`{name}\b", sections(PAGE)["The language"])] == []
