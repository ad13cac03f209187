"""The prose is plain English: phrases that readers stumbled over do not come back. Code, generated parts and tables of the log are exempt."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, prose

CONTRACT, SETTINGS = ROOT / "router/plugin.py", ROOT / "router/config/shipped.toml"

INSTEAD = {
    r"\bwhen left out\b": "by default",
    r"\bgrowing waits\b": "exponential backoff",
    r"\btold (?:all )?at once\b|\btells? of\b|\bis told of\b": "reported, reports",
    r"\bstands? (?:in|there|still|beside|at)\b": "is, are",
    r"\baffair\b|\bto their taste\b|\bmatter of taste\b": "the plain statement",
    r"\bends TLS\b": "TLS-terminating",
    r"\bleast grave\b": "minimum level",
    r"\bcalls? a line\b": "JSON Lines",
    r"\bgo(?:es)? behind\b": "is queued behind",
    r"\bgo(?:es)? out\b|\bwent out\b": "is sent",
    r"\btravels?\b": "is sent",
    r"\bshares? the pace\b": "shares the rate limit",
    r"\bso long ago\b": "a relative time",
    r"\bcame about\b|\bcomes? to\b(?! a vendor)": "the plain verb",
    r"\bmended?\b": "corrected",
    r"\bask(?:s|ed)? (?:the|a user's|its) gate\b": "evaluate held events",
    r"\banew\b": "again",
    r"\bwhose what\b|\bof which\b|\bthat of which\b": "two sentences",
    r"\bwhere there (?:is|are) (?:none|no)\b": "if there is none",
    r"\bbelieved\b": "trusted",
    r"\b(?:burns?|burned) (?:no|nothing|an|any)\b": "does not count as an attempt",
    r"\ba repetition\b|\brepetitions\b": "a redelivery, deduplicate",
    r"\bits own affair\b|\bno affair\b": "the plain statement",
    r"\bon (?:its|their) way\b": "in flight",
    r"\bin force\b": "active, current",
    r"\bno use for\b": "does not support",
    r"\blets? (?:it|them|the events?|held events) go\b": "releases",
    r"\bhas the last word\b": "decides",
    r"\bwarned of\b": "there is a warning",
    r"\btried again\b": "retried",
    r"\bin place of\b": "instead of",
    r"\bbeside (?:the seven|it|them|that)\b": "separately, in addition",
    r"\bis known of\b|\btold of\b": "is known about",
}
"""What readers stumbled over, and what to write instead."""


def read(path: Path) -> str:
    """The prose of a file: a page without code, the comments of config.toml, the docstrings of the contract."""
    if path == SETTINGS:
        words = "\n".join(re.findall(r"# (.*)", path.read_text(encoding="utf-8")))
    elif path == CONTRACT:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        strings = (n.value.value for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
        words = "\n".join([*map(str, strings), *re.findall(r"#: (.*)", path.read_text(encoding="utf-8"))])
    else:
        words = re.sub(r"<!-- generated: .*?<!-- end -->", "", prose(path), flags=re.DOTALL)
        words = "\n".join(line for line in words.splitlines() if not re.match(r"\| `[a-z_]+` \| ", line))
    return re.sub(r"\s+", " ", re.sub(r"`[^`]*`", "", words))


@pytest.mark.parametrize(
    "path",
    [*(page for page in PAGES if page.name != "CHANGELOG.md"), SETTINGS, CONTRACT],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_text_has_none_of_the_phrases_that_readers_stumbled_over(path: Path) -> None:
    words = read(path)
    found = {
        match[0]: plain for phrase, plain in INSTEAD.items() for match in re.finditer(phrase, words, re.IGNORECASE)
    }
    assert found == {}, "write instead what stands behind each"


def test_the_phrases_are_found_where_they_are() -> None:
    assert re.search(next(iter(INSTEAD)), "the value when left out")
