"""`consent`, `consent_missing` and `consent_updates` in config.toml: what is refused at load, each with its key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config import load
from router.consent import Need
from router.errors import ConfigError

BASE = """
[[source]]
name = "website"
write_key = "wk"
[[destination]]
name = "ads"
plugin = "file"
"""


def need_of(folder: Path, keys: str) -> Need | None:
    file = folder / "config.toml"
    file.write_text(BASE + keys, encoding="utf-8")
    return load(file, {}).destinations[0].consent


def problems_of(folder: Path, keys: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        need_of(folder, keys)
    return refused.value.problems


def test_a_list_means_all_and_any_means_one(tmp_path: Path) -> None:
    assert need_of(tmp_path, 'consent = ["a", "b", "a"]') == Need(("a", "b"))
    assert need_of(tmp_path, 'consent = { any = ["a", "b"] }') == Need(("a", "b"), is_any=True)
    assert need_of(tmp_path, "") is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("consent = []", "the list is empty"),
        ("consent = { any = [] }", "the list is empty"),
        ("consent = [1]", "the id at [0] is no text"),
        ('consent = ["a", ""]', "the id at [1] is empty"),
        ('consent = "a"', "not a list"),
        ('consent = { all = ["a"] }', "a table has the one key any"),
        ('consent = { any = "a" }', "not a list"),
    ],
)
def test_what_is_no_list_of_ids_is_told_with_the_key_and_the_remedy(tmp_path: Path, keys: str, words: str) -> None:
    (problem,) = problems_of(tmp_path, keys)
    assert problem.startswith(f"destination[0] (ads).consent: {words}")
    assert '["marketing"]' in problem


@pytest.mark.parametrize("keys", ['consent_missing = "allow"', 'consent_missing = "block"', "consent_updates = true"])
def test_how_consent_is_asked_means_nothing_where_it_is_not(tmp_path: Path, keys: str) -> None:
    (problem,) = problems_of(tmp_path, keys)
    assert "means nothing without consent" in problem
    assert 'consent = ["marketing"]' in problem


def test_a_faulty_list_is_the_one_problem(tmp_path: Path) -> None:
    assert len(problems_of(tmp_path, 'consent = []\nconsent_missing = "block"')) == 1


def test_an_unknown_word_for_what_is_missing_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, 'consent = ["a"]\nconsent_missing = "deny"')
    assert 'must be one of "allow" or "block"' in problem
