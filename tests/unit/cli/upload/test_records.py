"""Lines and rows become calls: ids that are the same at every try, the types of cells, and what a bad line is called."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from router.cli.endpoint import Failed
from router.cli.upload.command import is_csv
from router.cli.upload.csv_rows import CsvRows
from router.cli.upload.input_file import LONGEST_LINE, InputFile
from router.cli.upload.json_lines import BadLine, json_records
from router.cli.upload.message_id import id_maker, with_message_id
from router.cli.upload.read_call import read_call
from router.cli.upload.user_order import ids_of
from router.errors import InvalidCall
from router.ingest.limits import MAX_ITEM_BYTES
from router.ingest.parse import parse_batch
from router.testing import every_call

MAKE_ID = id_maker("calls.jsonl")
TRACK = b'{"type":"track","userId":"u1","event":"E"}'


def rows(*lines: str) -> list[Any]:
    """What the rows of a CSV file become: calls as JSON values, bad lines in words."""
    found = CsvRows([line.encode() + b"\n" for line in lines], MAKE_ID).records()
    return [str(r.call) if isinstance(r.call, BadLine) else json.loads(r.call or b"null") for r in found]


def row(header: str, line: str) -> dict[str, Any]:
    """The call of one row without its message id."""
    (call,) = rows(header, line)
    assert len(call.pop("messageId")) == 32
    return dict(call)


# ---------------------------------------------------------------- message ids


def test_an_id_depends_on_file_name_line_and_call() -> None:
    first = MAKE_ID(1, TRACK)
    assert first == id_maker("/elsewhere/calls.jsonl.gz")(1, TRACK)
    assert len({first, MAKE_ID(2, TRACK), MAKE_ID(1, TRACK + b" "), id_maker("other.jsonl")(1, TRACK)}) == 4


def test_an_id_of_this_version_is_the_id_of_every_version() -> None:
    """Or a second try after an upgrade would store everything twice."""
    assert MAKE_ID(7, TRACK) == "402be8b0a05d174499f9b729d131da6b"


@pytest.mark.parametrize("written", ["null", '""', '" "', "true", "{}"])
def test_an_id_that_ingestion_would_replace_is_replaced_here(written: str) -> None:
    line = b'{"messageId":%s,"n":1.10}' % written.encode()
    assert with_message_id(1, line, MAKE_ID) == b'{"messageId":"%s","n":1.10}' % MAKE_ID(1, line).encode()


@pytest.mark.parametrize("written", ['"m1"', "7"])
def test_an_id_that_is_there_stays(written: str) -> None:
    line = b'{"messageId":%s,"userId":"u"}' % written.encode()
    assert with_message_id(1, line, MAKE_ID) == line


def test_a_call_without_an_id_stays_byte_for_byte_behind_it() -> None:
    line = b'{"userId":12345678901234567890123,"event":"\\u00e9","n":1.10,"o":{"messageId":"inner"},"f":NaN}'
    assert with_message_id(1, line, MAKE_ID) == b'{"messageId":"%s",' % MAKE_ID(1, line).encode() + line[1:]


# ---------------------------------------------------------------- one pass over a call


def every_line() -> list[bytes]:
    """Calls of real traffic, and calls that are odd in their ids, texts and numbers; discarded ones among them."""
    return [
        *every_call().values(),
        TRACK,
        b'{"type":"track","userId":"u1","event":"E","f":NaN}',
        b'{"type":"track","userId":7,"anonymousId":" a ","event":"E"}',
        b'{"type":"track","userId":"u\\u0000","event":"E"}',
        b'{"type":"track","userId":" ","event":"E"}',
        b'{"type":"group","groupId":" g "}',
        b'{"type":"alias","userId":"u","previousId":" p"}',
        b'{"type":"track","userId":"u1","event":"E","mess\\u0061geId":null}',
        b'{"type":"track","userId":"u1","event":"E","messageId":"m\\u0000"}',
        b'{"type":"track","userId":"u1","event":"E","messageId":"' + b"m" * 300 + b'"}',
        b'{"type":"track","userId":"u1","event":"E","x":"' + b"x" * (MAX_ITEM_BYTES - 60) + b'"}',
        b'{"type":"track","userId":"u1","event":"Segment Consent Preference Updated"}',
        b"{}", b"[]", b'{"type":"x"}', b'{"type":"track","userId":"u1"}',
    ]  # fmt: skip


def test_a_call_that_one_pass_finds_good_is_taken_by_ingestion_as_the_call_of_these_ids() -> None:
    found_good = 0
    for line in every_line():
        try:
            call, ids = read_call(1, line, MAKE_ID)
        except InvalidCall:
            continue
        if ids is None:
            continue
        found_good += 1
        calls, discards = parse_batch(b'{"batch":[' + call + b"]}").calls("", 0, None)
        assert ([one.message_id for one in calls], discards) == ([json.loads(call)["messageId"].strip()], []), line
        assert call == with_message_id(1, line, MAKE_ID)
        assert list(ids) == ids_of(call), line
    assert found_good > 60


def test_an_id_that_json_spells_in_another_way_is_found_by_one_pass_too() -> None:
    line = b'{"type":"track","userId":"u1","event":"E","mess\\u0061geId":null}'
    call, _ = read_call(1, line, MAKE_ID)
    assert json.loads(call)["messageId"] == MAKE_ID(1, line)


# ---------------------------------------------------------------- JSON lines


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{not json", "line 1, column 2: not valid JSON: JSON is malformed: object keys must be strings"),
        (b'  {"a": }', "line 1, column 9: not valid JSON: JSON is malformed: invalid character"),
        (b'{"a": 1\n', "line 1, column 8: not valid JSON: Input data was truncated"),
        (b"7", "line 1, column 1: not a JSON object"),
        (b'[{"type":"track"}]', "line 1, column 1: not a JSON object: write one object per line"),
        (b'{"a":1},{"b":2}', "line 1, column 9: not valid JSON: JSON is malformed: trailing characters"),
        (b'{"a":"\xff"}', "line 1: not valid UTF-8"),
    ],
)
def test_a_line_that_is_no_call_is_told_by_line_and_column(line: bytes, told: str) -> None:
    (record,) = json_records([line], MAKE_ID)
    assert str(record.call).startswith(told)


def test_blank_lines_and_a_byte_order_mark_are_nothing() -> None:
    records = list(json_records([b"\xef\xbb\xbf" + TRACK + b"\r\n", b" \n", TRACK], MAKE_ID))
    assert [bool(record.call) for record in records] == [True, False, True]
    assert not any(isinstance(record.call, BadLine) for record in records)


# ---------------------------------------------------------------- CSV


def test_columns_are_fields_of_the_call_or_paths_in_its_objects() -> None:
    header = "type,userId,event,properties.plan.name,traits.email,context.ip,timestamp"
    assert row(header, "track,007,Bought,pro,a@example.com,,2026-01-02T03:04:05Z") == {
        "type": "track",
        "userId": "007",
        "event": "Bought",
        "properties": {"plan": {"name": "pro"}},
        "traits": {"email": "a@example.com"},
        "timestamp": "2026-01-02T03:04:05Z",
    }


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12),
        ("-1.5e3", -1500.0),
        ("007", "007"),
        ("1,5", "1,5"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("True", "True"),
        ('{"a": [1]}', {"a": [1]}),
        ("[1, 2]", [1, 2]),
        ("{not json", "{not json"),
        ("NaN", "NaN"),
        ("plain text", "plain text"),
    ],
)
def test_a_cell_is_what_it_looks_like(cell: str, value: object) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    assert row("type,userId,properties.x", f"page,u1,{quoted}")["properties"] == {"x": value}


def test_a_column_may_say_what_its_cells_are() -> None:
    header = "type,userId,traits.zip:text,traits.paid:boolean,traits.seats:number,traits.tags:json"
    assert row(header, 'identify,12,01234,TRUE,7,"[""a""]"')["traits"] == {
        "zip": "01234", "paid": True, "seats": 7, "tags": ["a"],
    }  # fmt: skip
    assert row(header, "identify,12,true,,,")["traits"] == {"zip": "true"}


def test_an_id_is_text_also_where_it_looks_like_a_number() -> None:
    assert row("type,userId,groupId", "group,12345678901234567890123,9")["userId"] == "12345678901234567890123"


def test_a_number_keeps_every_digit() -> None:
    (record,) = CsvRows([b"type,properties.n\n", b"page,12345678901234567890.10\n"], MAKE_ID).records()
    assert isinstance(record.call, bytes)
    assert b'"n":12345678901234567890.10' in record.call


def test_a_row_may_have_several_lines_and_is_told_by_its_first() -> None:
    call, bad = rows("type,userId,properties.text", 'page,u1,"a', 'b"', "page,u1,x,too many")
    assert call["properties"] == {"text": "a\nb"}
    assert bad == "line 4: 4 cells, and the first row names 3"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("identify,many", "line 2, column traits.seats:number: not a number"),
        ('identify,"1"x', "line 2: not CSV: "),
        ("identify,\udcff", "line 2: not valid UTF-8"),
    ],
)
def test_a_row_that_is_no_call_is_told_by_line_and_column(line: str, told: str) -> None:
    raw = [b"type,traits.seats:number\n", line.encode(errors="surrogateescape") + b"\n", b"identify,1\n"]
    bad, good = CsvRows(raw, MAKE_ID).records()
    assert str(bad.call).startswith(told)
    assert bad.raw == raw[1]
    assert isinstance(good.call, bytes)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("userId,event", 'there is no column "type"'),
        ("type,email", 'column "email": write a field of the call'),
        ("type,traits.", 'column "traits."'),
        ("type,traits.a:int", '"int" is no type; write text, number, boolean, json'),
        ("type,traits.a,traits.a.b", 'column "traits.a" is there twice, or another column is a part of it'),
        ("", 'there is no column "type"'),
    ],
)
def test_a_first_row_that_does_not_name_the_columns_of_calls_stops_everything(header: str, told: str) -> None:
    with pytest.raises(Failed) as refused:
        CsvRows([header.encode()], MAKE_ID)
    assert told in str(refused.value)


def test_a_quote_that_is_never_closed_does_not_take_in_the_whole_file() -> None:
    found = CsvRows([b"type,userId\n", b'page,"u1\n', *[b"page,u1\n"] * 100_000], MAKE_ID).records()
    with pytest.raises(Failed, match="line 2: a quote that opens there is not closed"):
        list(found)


def test_the_name_says_whether_it_is_csv() -> None:
    assert [is_csv(name) for name in ("a.csv", "a.CSV.gz", "a.csv.rejected", "a.jsonl", "a.csv.jsonl", "-")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


# ---------------------------------------------------------------- the bytes


def test_gzip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(gzip.compress(b"a\nb\n") + gzip.compress(b"c"))
    with InputFile(str(path)) as lines:
        assert list(lines) == [b"a\n", b"b\n", b"c"]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_gzip_data_that_is_cut_is_told_with_the_line(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % (n * n) for n in range(1000)))[:-cut])
    with InputFile(str(path)) as lines, pytest.raises(Failed, match=r"cannot be read after line \d+"):
        list(lines)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(b"{}\n" + b" " * (LONGEST_LINE + 1))
    with InputFile(str(path)) as lines, pytest.raises(Failed, match="line 2 is longer than 1 MiB"):
        list(lines)
