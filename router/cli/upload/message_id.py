"""The message id of a call that has none: the same whenever the same file is sent, so that a second try makes duplicates only.

It is a hash of the file's name (without folder and `.gz`), the number of the line, and the call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import msgspec

from router.event import coerce_id, decode_json
from router.ingest.json_checks import read_json

MakeId = Callable[[int, bytes], str]
"""From the number of a line and its call to a message id."""

_KEY = b'"messageId"'
_ABSENT = msgspec.Raw(b"")


class _Id(msgspec.Struct, rename="camel", gc=False):
    message_id: msgspec.Raw = _ABSENT


_id = msgspec.json.Decoder(_Id)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def id_maker(file: str) -> MakeId:
    """The ids of one file: 32 hexadecimal digits each."""
    start = hashlib.blake2b(PurePath(file).name.removesuffix(".gz").encode(errors="surrogateescape"), digest_size=16)

    def make_id(number: int, call: bytes) -> str:
        digest = start.copy()
        digest.update(b"\0%d\0" % number)
        digest.update(call)
        return digest.hexdigest()

    return make_id


def with_message_id(number: int, call: bytes, make_id: MakeId) -> bytes:
    """The call with a message id; everything else stays byte for byte. Raises InvalidCall for what is no JSON object."""
    body, fields = read_json(call, _id.decode, [])
    value = fields.message_id
    if value is _ABSENT:
        # An "id" that JSON spells in another way stands behind this one, and the last of two counts.
        return b'{"messageId":"%s",%s' % (make_id(number, call).encode(), call[1:])
    if _is_id(value):
        return call
    everything = _fields.decode(body)
    everything["messageId"] = msgspec.Raw(json.dumps(make_id(number, call)).encode())
    return msgspec.json.encode(everything)


def _is_id(value: msgspec.Raw) -> bool:
    """Whether ingestion takes this for an id. It replaces null, blank text and anything that cannot be one."""
    found: Any = decode_json(bytes(value))
    return bool((coerce_id(found) or "").strip())
