"""The dashboard asks for series and labels that there are, and for each metric of the router."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from router.admin.metric_families import FAMILIES
from tests.docs.pages import ROOT
from tests.monitoring import promtool
from tests.monitoring.rules import series_of
from tests.monitoring.test_rules import family_of

FILE = ROOT / "monitoring/grafana-dashboard.json"

BY_HAND = {
    "segment_router_events_accepted_total", "segment_router_events_duplicate_total", "segment_router_events_discarded_total",
    "segment_router_destination_dry_run_events_total", "segment_router_destination_replayed_events_total",
    "segment_router_plan_violations_not_forwarded_total", "segment_router_store_commit_events_total",
    "segment_router_store_commit_bytes_total", "segment_router_store_free_bytes", "segment_router_store_full",
    "segment_router_unfinished_bytes", "segment_router_unread_bytes",
}  # fmt: skip
"""Metrics that no panel shows: sums of what panels show in parts, and what is looked at by hand."""


def dashboard() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


def expressions() -> Iterator[str]:
    """What every panel, annotation and variable asks for."""
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["expr"] for one in dashboard()["annotations"]["list"])
    yield from (one["definition"] for one in dashboard()["templating"]["list"] if "definition" in one)


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_asks_for_series_and_labels_that_there_are(expression: str) -> None:
    assert series_of(expression)
    for name in series_of(expression):
        assert name.startswith("process_") or family_of(name) in FAMILIES, name
    for name, selector in re.findall(r"(segment_router_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r'(\w+)\s*[=!]~?"', selector)) <= set(FAMILIES[family_of(name)].labels), name


def test_a_panel_names_labels_that_its_series_have() -> None:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            labels = (
                {label for name in series_of(target["expr"]) for label in FAMILIES[family_of(name)].labels}
                if shown
                else set()
            )
            assert shown <= labels, panel["title"]


def test_every_metric_is_on_the_dashboard_or_named_as_one_that_is_not() -> None:
    shown = {family_of(name) for expression in expressions() for name in series_of(expression)}
    assert set(FAMILIES) - shown == BY_HAND


def test_panels_have_their_own_place_and_number() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.skipif(promtool.PROMTOOL is None, reason=promtool.MISSING)
def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    asked = [one for one in expressions() if not one.startswith("label_values")]
    plain = [
        re.sub(r"\$__(rate_)?interval", "5m", one).replace("$destination", ".*").replace("$source", ".*")
        for one in asked
    ]
    rules = [{"record": f"panel:{n}", "expr": one} for n, one in enumerate(plain)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    code, said = promtool.run("check", "rules", str(file), folder=tmp_path)
    assert code == 0, said
