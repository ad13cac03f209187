"""docs/metrics.md and the code name the same metrics and labels."""

from __future__ import annotations

import re

import pytest
from prometheus_client import ProcessCollector

from router.admin.metric_families import FAMILIES, SEVEN
from router.admin.prometheus import OUTCOMES as OF_CALLS
from router.metrics import MIXED, OUTCOMES, REASONS
from tests.docs.pages import ROOT, rows, sections

METRICS = ROOT / "docs/metrics.md"


def documented(text: str) -> dict[str, tuple[str, ...]]:
    """The rows of the tables of metrics: type, labels, meaning."""
    return {name: tuple(cells[1:]) for name, cells in rows(text).items() if len(cells) == 4}


def test_the_page_lists_every_metric_with_its_type_labels_and_meaning() -> None:
    ours = {name: cells for name, cells in documented(METRICS.read_text()).items() if name.startswith("segment_")}
    assert ours == {
        name: (family.type, ", ".join(f"`{label}`" for label in family.labels) or "-", family.meaning)
        for name, family in FAMILIES.items()
    }


def test_the_page_lists_every_metric_of_the_process() -> None:
    there = {
        f"{m.name}_total" if m.type == "counter" else m.name: m.type for m in ProcessCollector(registry=None).collect()
    }
    assert {name: cells[0] for name, cells in documented(sections(METRICS)["The process"]).items()} == there


def test_the_page_explains_every_label_and_the_words_it_may_have() -> None:
    labels = rows(sections(METRICS)["Labels"])
    assert set(labels) == {label for family in FAMILIES.values() for label in family.labels}
    assert set(re.findall(r"`(\w+)`", labels["outcome"][1])) == {*OUTCOMES.values(), *OF_CALLS.values(), MIXED}
    assert set(re.findall(r"`(\w+)`", labels["state"][1])) >= set(SEVEN)
    reasons = re.findall(r"`(\w+)`", labels["reason"][1])
    assert [reason for reason in reasons if reason != "other" and not REASONS.fullmatch(reason)] == []


LABELS = {"source", "destination", "outcome", "reason"}
OLDER = {"version", "state", "status", "code", "listener", "cause", "type", "result"}
"""Of metrics that users rely on."""


def test_a_new_metric_has_no_other_labels_than_source_destination_outcome_and_reason() -> None:
    others = {name: set(family.labels) - LABELS for name, family in FAMILIES.items() if set(family.labels) - LABELS}
    assert set().union(*others.values()) == OLDER
    assert len(others) == 12, "one that is added here needs a reason"


@pytest.mark.parametrize("name", FAMILIES)
def test_names_follow_the_conventions_of_prometheus(name: str) -> None:
    """https://prometheus.io/docs/practices/naming/: a prefix, base units, `_total` for counters and for nothing else."""
    assert re.fullmatch(r"segment_router(_[a-z]+)+", name)
    assert name.endswith("_total") == (FAMILIES[name].type == "counter")
    assert not re.search(r"_(ms|s|kb|mb|count|sum|bucket)$", name)
