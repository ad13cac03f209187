"""docs/consent.md: its table loads, and its two events have the results that it says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from router.config import DestinationConfig
from router.ingest.parse import parse_single
from router.plugin_host import compile_consent, read
from tests.docs.pages import ROOT, blocks, sections

PAGE = ROOT / "docs/consent.md"
SOURCE = '[[source]]\nname = "website"\nwrite_key = "k"\n'
RESULTS = re.findall(r"^\| `(consent = .*)` \| (.*?) \|$", sections(PAGE)["What an event says"], re.MULTILINE)


def test_its_table_loads(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SOURCE + blocks(PAGE, "toml")[0].text)
    _, (braze,) = read(path, {"BRAZE_API_KEY": "k"})
    assert braze.consent is not None


def test_its_switch_loads(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SOURCE + "\n".join(block.text for block in blocks(PAGE, "toml")))
    config, (braze,) = read(path, {"BRAZE_API_KEY": "k"})
    assert config.consent.follow
    assert braze.consent is not None
    assert braze.consent.follows


@pytest.mark.parametrize("block", blocks(PAGE, "json"), ids=["segment", "rudderstack"])
@pytest.mark.parametrize(("table", "result"), RESULTS)
def test_its_events_have_the_results_that_it_says(block: object, table: str, result: str) -> None:
    event = json.loads(getattr(block, "text", ""))
    assert len(parse_single("track", json.dumps(event).encode()).calls("website", 0, None)[0]) == 1
    consent = compile_consent(DestinationConfig.model_validate({"name": "d", "plugin": "p", **tomllib.loads(table)}))
    assert consent is not None
    withheld = consent.withheld(event)
    assert ("sent" if withheld is None else f"`filtered` (`{withheld.reason}`)") == result


def test_it_shows_results() -> None:
    assert len(RESULTS) == 6
