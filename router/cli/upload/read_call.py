"""One pass over a call of the input: its message id, whose it is, and whether ingestion takes it.

Nearly every call has its usual form and is known to be good after this pass. The others (ids that are numbers, what is discarded) are
judged by ingestion's own rules before they are sent: see `windows.py`.
"""

from __future__ import annotations

from router.cli.upload.message_id import MakeId, with_message_id
from router.event import coerce_id
from router.ingest.limits import MAX_ITEM_BYTES
from router.ingest.one_call import usual_call

Ids = tuple[str, ...]


def read_call(number: int, call: bytes, make_id: MakeId) -> tuple[bytes, Ids | None]:
    """The call with a message id, and the ids of its user. The latter are None where the call was not judged. Raises InvalidCall for what
    is no JSON object."""
    item = usual_call(call)
    if item is None:
        return with_message_id(number, call, make_id), None
    if item.message_id is not None:
        if coerce_id(item.message_id) is None:  # ingestion would replace it
            return with_message_id(number, call, make_id), None
    elif b"messageId" in call or b"\\u00" in call:  # null, a key further in, or a key that is written in another way
        call = with_message_id(number, call, make_id)
    else:
        call = b'{"messageId":"%s",%s' % (make_id(number, call).encode(), call[1:])
    if len(call) > MAX_ITEM_BYTES:
        return call, None
    given = (item.user_id, item.anonymous_id, item.previous_id)
    ids = tuple([id for value in given if value and (id := value.strip())])
    return call, ids or (f"group {(item.group_id or '').strip()}",)
