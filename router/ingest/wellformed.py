"""Whether bytes are JSON that everything behind the door can bear: well-formed, valid UTF-8, not nested without end.

Used by `parse`. msgspec skips what nobody asked for without decoding it; these are the checks that skipping leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from router.errors import InvalidCall
from router.ingest.limits import MAX_DEPTH

T = TypeVar("T")


def read_json(body: bytes, decode: Callable[[bytes], T]) -> tuple[bytes, T]:
    """Decode, and give back the body too: it may have needed mending. Raises InvalidCall for what is not JSON."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into the strings that it skips
        try:
            return body, decode(body)
        except msgspec.DecodeError:
            mended = _mend(body)
            if mended == body:
                raise
            return mended, decode(mended)
    except UnicodeDecodeError:
        raise InvalidCall("invalid_json", "the body is not valid UTF-8") from None
    except RecursionError:
        raise too_deep("invalid_json") from None
    except msgspec.ValidationError as error:
        raise InvalidCall("invalid_json", f"not the JSON expected here: {error}") from None
    except msgspec.DecodeError as error:
        raise InvalidCall("invalid_json", f"the body is not valid JSON: {error}") from None


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _mend(body: bytes) -> bytes:
    """Replace half surrogate pairs by U+FFFD. JavaScript sends one where text was cut inside an emoji: no valid string
    for anybody further on, but no reason to lose a whole batch either."""
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], body)


_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|([\]}])', re.DOTALL)


def is_too_deep(raw: bytes) -> bool:
    """Whether JSON is nested more than MAX_DEPTH levels deep.

    Counting brackets first (0.6 us for a usual call): nothing is nested deeper than it has brackets that open.
    """
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(raw):
        if token[1]:
            depth -= 1
        elif token[0] in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
    return False


def too_deep(code: str) -> InvalidCall:
    """The refusal of what is nested too deep."""
    return InvalidCall(code, f"nested more than {MAX_DEPTH} levels deep")
