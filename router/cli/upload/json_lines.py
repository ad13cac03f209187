"""A file of JSON lines to calls: one JSON object a line, blank lines between them if need be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.cli.upload.message_id import MakeId
from router.cli.upload.read_call import Ids, read_call
from router.errors import InvalidCall

_BOM = b"\xef\xbb\xbf"
_BYTE = re.compile(r" ?\(byte (\d+)\)")


class BadLine(NamedTuple):
    """Why a line is no call: its number, the place in it if that is known, and the reason in words."""

    number: int
    place: str  #: `column 12`, counted in bytes from 1; of a CSV file `column traits.age`; or ""
    reason: str

    def __str__(self) -> str:
        return f"line {self.number:,}{', ' if self.place else ''}{self.place}: {self.reason}"


class Record(NamedTuple):
    """What was read for one call: the number of its first line, its bytes in the file, and the call, or why it is none.

    The call is b"" where there is nothing to send, as in a blank line.
    """

    number: int
    raw: bytes
    call: bytes | BadLine
    ids: Ids | None = None  #: of its user; None where the call is not known to be good


def json_records(lines: Iterable[bytes], make_id: MakeId, number: int = 0) -> Iterator[Record]:
    """Read each line. `number`: that of the line before the first."""
    for line in lines:
        number += 1
        call = (line.removeprefix(_BOM) if number == 1 else line).strip()
        try:
            yield Record(number, line, *read_call(number, call, make_id)) if call else Record(number, line, b"")
        except InvalidCall as refusal:
            yield Record(number, line, _bad(number, line, call, refusal))


def _bad(number: int, line: bytes, call: bytes, refusal: InvalidCall) -> BadLine:
    words = str(refusal).removeprefix("the body is ")
    if call.startswith(b"[") or not call.startswith(b"{"):
        hint = ": write one object per line (jq -c '.[]' takes a list apart)" if call.startswith(b"[") else ""
        return BadLine(number, "column 1", f"not a JSON object{hint}")
    at = _BYTE.search(words)
    column = int(at[1]) if at else len(call) if "truncated" in words else None
    place = "" if column is None else f"column {line.index(call) + column + 1}"
    return BadLine(number, place, _BYTE.sub("", words))
