"""A CSV file to calls. The first row names the columns: fields of a call, or `traits.email`, `properties.plan.name`.

An empty cell is left out. A field of the call itself is text. Any other cell is what it looks like: `true`, `false` and
`null`, a JSON number, a JSON object or list, else text. `properties.zip:text` says for a whole column what it is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from router.cli.endpoint import Failed
from router.cli.upload.json_lines import BadLine, Record
from router.cli.upload.message_id import MakeId
from router.cli.upload.read_call import Ids, read_call
from router.errors import InvalidCall

FIELDS = (
    "type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name", "category",
    "timestamp", "originalTimestamp", "sentAt",
)  # fmt: skip
OBJECTS = ("traits", "properties", "context", "integrations")

Cell = Callable[[str], Any]
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}


def _number(text: str) -> msgspec.Raw:
    """Digit for digit, however many there are."""
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError("not a number")
    return msgspec.Raw(text.strip().encode())


def _boolean(text: str) -> bool:
    value = _WORDS.get(text.strip().lower())
    if value is None:
        raise ValueError("neither true nor false")
    return value


def _json(text: str) -> msgspec.Raw:
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    return msgspec.Raw(text.encode())


def _as_it_looks(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return msgspec.Raw(text.encode())
    if text[0] in "{[":
        try:
            return _json(text)
        except ValueError:
            return text
    return text


TYPES: dict[str, Cell] = {"text": str, "number": _number, "boolean": _boolean, "json": _json}


class Column(NamedTuple):
    """A column: its name in the file, the keys that lead to its value in the call, how a cell is read."""

    name: str
    path: tuple[str, ...]
    read: Cell


def columns_of(names: list[str]) -> list[Column]:
    """The columns that a first row names. Raises Failed with every name that cannot be used."""
    columns, wrong = [], []
    for name in names:
        path, _, kind = name.partition(":")
        keys = tuple(path.split("."))
        is_field = len(keys) == 1 and path in FIELDS
        if not is_field and not (len(keys) > 1 and keys[0] in OBJECTS and all(keys)):
            wrong.append(
                f'column "{name}": write a field of the call ({", ".join(FIELDS)}), traits.NAME or properties.NAME'
            )
        elif kind and kind not in TYPES:
            wrong.append(f'column "{name}": "{kind}" is no type; write {", ".join(TYPES)}')
        columns.append(Column(name, keys, TYPES.get(kind, str if is_field else _as_it_looks)))
    paths = [column.path for column in columns]
    for at, keys in enumerate(paths):
        if any(other[: len(keys)] == keys for place, other in enumerate(paths) if place != at):
            wrong.append(f'column "{names[at]}" is there twice, or another column is a part of it')
    if ("type",) not in paths:
        wrong.append(
            'there is no column "type": it says of each row whether it is identify, group, track, page, screen or alias'
        )
    if wrong:
        raise Failed("\n".join(["the first row does not name the columns of calls", *wrong]))
    return columns


class _Text:
    """The lines as text, for csv.reader; keeps the bytes of the row that is being read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.number = 0  #: lines read so far
        self.raw: list[bytes] = []

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.raw.append(line)
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8")


class CsvRows:
    """The rows of a CSV file. The first one is read at once."""

    def __init__(self, lines: Iterable[bytes], make_id: MakeId) -> None:
        """Raises Failed for columns that cannot be used."""
        self._text, self._make_id = _Text(lines), make_id
        self._rows = csv.reader(self._text, strict=True)
        try:
            self.columns = columns_of([name.strip() for name in next(self._rows, [])])
        except (csv.Error, UnicodeDecodeError) as error:
            raise Failed(f"the first row cannot be read: {error}") from None
        self.header = b"".join(self._text.raw)  #: the bytes of the first row

    def records(self, number: int | None = None) -> Iterator[Record]:
        """Read the rows that follow. `number`: of the line before, where some lines were read past this object."""
        text = self._text
        text.number = text.number if number is None else number
        while True:
            text.raw.clear()
            first = text.number + 1
            call: bytes | BadLine
            ids: Ids | None = None
            try:
                row = next(self._rows, None)
                if row is None:
                    return
                call = self._call(first, row)
                if isinstance(call, bytes) and call:
                    call, ids = read_call(first, call, self._make_id)
            except UnicodeDecodeError:
                call = BadLine(first, "", "not valid UTF-8")
            except csv.Error as error:
                if "field limit" in str(error):
                    raise Failed(f"line {first:,}: a quote that opens there is not closed") from None
                call = BadLine(first, "", f"not CSV: {error}")
            except InvalidCall as refusal:
                call = BadLine(first, "", str(refusal))
            yield Record(first, b"".join(text.raw), call, ids)

    def _call(self, number: int, row: list[str]) -> bytes | BadLine:
        """The call of a row without a message id; b"" for a row with nothing in it."""
        if not any(row):
            return b""
        if len(row) > len(self.columns):
            return BadLine(number, "", f"{len(row)} cells, and the first row names {len(self.columns)}")
        call: dict[str, Any] = {}
        for column, text in zip(self.columns, row, strict=False):
            if not text:
                continue
            try:
                value = column.read(text)
            except ValueError as error:
                return BadLine(number, f"column {column.name}", str(error))
            inner = call
            for key in column.path[:-1]:
                inner = inner.setdefault(key, {})
            inner[column.path[-1]] = value
        return msgspec.json.encode(call)
