"""What only Terraform can evaluate, and what is no HCL, is named and never quoted: a secret may be in it."""

from __future__ import annotations

import pytest

from router.editing.catalogue import offers
from router.segment_import.convert import convert
from router.segment_import.hcl import read_hcl
from router.segment_import.workspace import Workspace
from tests.unit.segment_import.hcl_files import SOURCES, hcl, webhook


@pytest.mark.parametrize(
    "expression",
    [
        'jsonencode(merge({ "apiKey": "SUPERSECRET-1234" }, local.more))',
        '"PREFIX-SUPERSECRET-${var.env}"',
        'jsonencode({ "apiKey" = "SUPERSECRET-${var.env}" })',
        'jsonencode({ a = "SUPERSECRET" }) == jsonencode({ b = 2 })',
        'base64encode("SUPERSECRET")',
        'var.is_live ? "SUPERSECRET" : "other"',
    ],
)
def test_an_expression_is_named_by_its_resource_and_key_and_never_quoted(expression: str) -> None:
    workspace = hcl(*SOURCES, webhook("one", "web", expression))
    made = convert(workspace, offers(None), lambda: "key")
    assert "SECRET" not in repr(made)
    assert any("all.tf: segment_destination.one: settings: only Terraform" in words for words in made.left)


def test_what_the_parser_stumbles_over_is_not_quoted() -> None:
    workspace = Workspace()
    read_hcl([("all.tf", 'resource "segment_source" "a" {\n  settings = [x SUPERSECRET]\n}\n')], workspace)
    assert workspace.unread == ["all.tf: cannot be read as HCL (UnexpectedToken, line 2)"]
