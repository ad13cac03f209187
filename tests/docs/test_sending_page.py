"""docs/sending-files.md shows files that can be sent, and says what the code does with them."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import typer.main

from router.cli import app
from router.cli.upload.csv_rows import FIELDS, OBJECTS, TYPES, CsvRows
from router.cli.upload.json_lines import json_records
from router.cli.upload.message_id import id_maker
from router.cli.upload.post import LONGEST_WAIT_S
from router.cli.upload.windows import BATCH_BYTES
from router.ingest.limits import MAX_BATCH_ITEMS
from tests.docs.pages import ROOT, blocks, rows, sections

PAGE = ROOT / "docs/sending-files.md"
MAKE_ID = id_maker("example")


def test_every_option_that_is_for_files_is_listed() -> None:
    send = cast(Any, typer.main.get_command(app)).commands["send"]
    options = {option for parameter in send.params for option in parameter.opts if option.startswith("--")}
    listed = {word for name in rows(PAGE.read_text()) for word in re.findall(r"--[a-z-]+", name)}
    assert listed <= options
    assert {"--resume", "--skip-bad", "--rate", "--format", "--json"} <= listed


def test_the_line_shown_is_a_call() -> None:
    (block,) = blocks(PAGE, "json")
    (record,) = json_records([block.text.encode()], MAKE_ID)
    assert isinstance(record.call, bytes)


def test_the_csv_shown_becomes_a_call() -> None:
    block = next(block for block in blocks(PAGE, "text") if block.text.startswith("type,"))
    (record,) = CsvRows([line.encode() + b"\n" for line in block.text.splitlines()], MAKE_ID).records()
    assert isinstance(record.call, bytes)
    call = json.loads(record.call)
    assert (call["traits"], call["properties"]) == ({"email": "ada@example.com", "seats": 12}, {"zip": "01234"})


def test_the_columns_and_types_are_those_of_the_code() -> None:
    words = sections(PAGE)["CSV"]
    columns = words.partition("| Column |")[2].partition("\n\n")[0]
    first, second, third = (line.split(" | ")[0] for line in columns.splitlines()[2:])
    assert set(re.findall(r"`(\w+)`", first)) == set(FIELDS)
    assert set(re.findall(r"`(\w+)\.NAME`", second)) == set(OBJECTS)
    assert set(re.findall(r"`:(\w+)`", third)) == set(TYPES)


def test_the_numbers_are_those_in_force() -> None:
    words = PAGE.read_text()
    assert f"at most {MAX_BATCH_ITEMS:,} calls and {BATCH_BYTES // 1000} KB" in words
    assert f"(at most {LONGEST_WAIT_S:.0f} s)" in words
