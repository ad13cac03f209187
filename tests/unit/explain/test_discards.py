"""The table of discards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.explain.discards import DISCARDED, discard_of
from router.suppressing import CODE

INGEST = Path(__file__).parents[3] / "router/ingest"
CODES = {
    code
    for file in INGEST.glob("*.py")
    for code in re.findall(
        r'(?:InvalidCall|UnknownWriteKey|too_deep|Discard)\([^)"]*"(\w+)"', file.read_text(encoding="utf-8")
    )
}
FOR_NOBODY = {"disconnected", "unknown_project"}
"""Never discards: nobody is there, or the answer is 404."""


def test_the_codes_are_found_in_the_source() -> None:
    assert {"invalid_json", "id_required", "source_disabled", "invalid_write_key"} <= CODES


@pytest.mark.parametrize("code", sorted({*CODES, CODE} - FOR_NOBODY))
def test_every_code_of_a_discard_has_its_words(code: str) -> None:
    assert code in DISCARDED
    assert all(discard_of(code))


def test_a_field_that_must_be_an_object_is_named() -> None:
    assert discard_of("traits_not_object").sentence == "traits is no object"


def test_a_code_that_is_not_known_is_shown_as_it_is() -> None:
    assert discard_of("brand_new").sentence == "brand_new"
