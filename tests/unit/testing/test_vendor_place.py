"""The answer of a vendor in a file of the author's tests hides nothing that others import, and the tiers of the verb are those of the checks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from router.cli.verbs import plugin_check
from router.testing import Reply
from router.testing.checking import check
from router.testing.checking.vendor_place import answers_at


def test_a_file_may_have_the_name_of_a_module_of_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    monkeypatch.delitem(sys.modules, "segment_router_vendor_json", raising=False)
    (tmp_path / "json.py").write_text("from router.testing import Reply\nanswer = Reply(204)")
    assert answers_at(f"{tmp_path}/json.py:answer") == Reply(204)
    assert sys.modules["json"] is json
    assert sys.path == [*before, str(tmp_path)]


def test_the_verb_knows_the_tiers_of_the_checks() -> None:
    assert plugin_check.TIERS == check.TIERS
