"""The glossary speaks of words that exist: every state, reason, log event, verb and key in it is one of the router's."""

from __future__ import annotations

import re

from router.logger.events import EVENTS
from router.vocabulary import DestinationState, EventState
from tests.docs.pages import PAGES, ROOT, SHIPPED, rows, sections

GLOSSARY = ROOT / "docs/glossary.md"
STATES_PAGE = sections(ROOT / "docs/log.md")["States and reasons"]


def quoted(text: str) -> set[str]:
    """Every word between backquotes."""
    return set(re.findall(r"`([^`]+)`", text))


def test_every_state_of_an_event_and_of_a_destination_has_its_line() -> None:
    listed = set(rows(sections(GLOSSARY)["States"]))
    assert listed == {*EventState, *DestinationState}


def test_every_word_between_backquotes_is_one_of_the_router_s() -> None:
    settings = SHIPPED.read_text()
    verbs = {path.stem.rstrip("_").replace("_", " ") for path in (ROOT / "router/cli/verbs").glob("*.py")}
    known = quoted(STATES_PAGE) | EVENTS.keys() | verbs | {*EventState, *DestinationState}
    shown = {"user:x", "anonymous:x", "group:x", "verdict.py"}  #: how a user key is written; a file of each plugin
    unknown = set()
    for word in quoted(GLOSSARY.read_text()) - known - shown:
        key = word.partition(" = ")[0].rpartition(".")[2].strip("[]")
        if not re.search(rf"^#?\[*{key}\b", settings, re.MULTILINE):
            unknown.add(word)
    assert unknown == set()


def test_every_log_event_that_looks_like_one_exists() -> None:
    past_tense = {word for word in quoted(GLOSSARY.read_text()) if re.fullmatch(r"[a-z]+_[a-z]+ed", word)}
    assert past_tense <= EVENTS.keys()
    assert past_tense


def test_no_word_is_explained_twice() -> None:
    words = re.findall(r"^\| (?!Word|---)([^|`]+) \|", GLOSSARY.read_text(), re.MULTILINE)
    assert len(words) == len(set(words))
    assert GLOSSARY in PAGES
