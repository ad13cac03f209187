"""Every bound of the two listeners: how much a client may send, how long it may take, how many may send at a time. Numbers only."""

from __future__ import annotations

import resource
from typing import NamedTuple

# ---------------------------------------------------------------- one call

MAX_ITEM_BYTES = 32 * 1024
"""One call inside a batch. 1 KB is read as 1,024 bytes, as the client libraries do in their own guard."""

MAX_DEPTH = 128
"""Levels of nesting in a call; whatever handles it later may then recurse over it."""

MAX_MESSAGE_ID = 100  # characters
MAX_ID = 512
"""Characters of a userId, anonymousId, groupId or previousId. An e-mail address has 254 at most."""

# ---------------------------------------------------------------- one body

MAX_SINGLE_BYTES = MAX_ITEM_BYTES + 512
"""The body of a single call: clients add writeKey and sentAt after their own guard."""

MAX_BATCH_BYTES = 600 * 1024
"""The body of a batch. Ruby and PHP fill a batch to 512,000 bytes before they add the envelope."""

MAX_WEBHOOK_BYTES = 4 * 1024 * 1024
"""The body of Segment's Webhooks destination: whole events, a thousand and more in an array."""

MAX_LIGHT_BYTES = 128 * 1024
"""A body of ingestion that is larger, inflated, waits for a turn of the loop of its own. A batch of a hundred usual calls has 80 to 100 KB."""

MAX_SIGNED_BYTES = 256 * 1024
"""The first event of a webhook's array: the signature is over it, and nothing more is read before that is checked."""

MAX_ADMIN_BYTES = 64 * 1024
"""The body of an admin command."""

MAX_PEOPLE = 5_000
"""People in one regulation, as at Segment."""
MAX_REGULATION_BYTES = 1024 * 1024
"""The body of a regulation: so many ids of 200 bytes."""

MAX_BATCH_ITEMS = 2_500
MAX_STORED_BATCH_BYTES = 4 * 1024 * 1024
"""What one batch may take in the store, where its shared context is repeated with every call."""

# ---------------------------------------------------------------- one request head

MAX_LINE_BYTES = 16 * 1024
"""One line of a request head. Cookies of real sites reach 12 KB."""

MAX_HEAD_BYTES = 32 * 1024
"""A request head as a whole."""

MAX_HEADERS = 128

# ---------------------------------------------------------------- time

BODY_TIMEOUT_S = 30.0
"""A body has this long to arrive."""

PIECES_TIMEOUT_S = 1.0
"""A body in pieces has this long to be whole on the hot path. The full path waits for a slower one."""

LINGER_S = 5.0
"""What is left of a body that nobody reads is thrown away for this long, so that its sender sees the answer."""

IDLE_TIMEOUT_S = 75.0
"""A connection may stand this long without a request."""

HEAD_TIMEOUT_S = 15.0
"""A request head has this long to arrive, from its first byte."""

ANSWER_TIMEOUT_S = 30.0
"""A client that reads nothing of its answers has this long."""

MAX_DEBT_S = 30.0
"""A batch may bring a source this far below its `rate`, and no further."""

# ---------------------------------------------------------------- all requests together

MAX_IN_FLIGHT = 2_048
"""Requests being stored at a time; those beyond are asked to come again."""

MAX_READ = 128
"""Connections that are read in one turn of the event loop before others have to wait for the next. A usual request takes 0.06 ms."""

MAX_ACCEPTED = 64
"""Connections that are accepted in one turn while others are busy: 3 to 6 ms."""


class ListenerLimits(NamedTuple):
    """What all connections of one listener may take together."""

    connections: int
    spare_files: int  #: descriptors of the process that these connections leave alone
    received_bytes: int  #: of heads and bodies that are not here in full
    stranger_bytes: int  #: so many of these may come from clients whose write key is not known
    unread_bytes: int  #: of answers that the system has not taken from this process, since clients do not read
    send_buffer: int  #: bytes of its answers that the system is asked to take for one connection


INGEST = ListenerLimits(10_000, 256, 64 * 1024 * 1024, 32 * 1024 * 1024, 16 * 1024 * 1024, 32 * 1024)
"""The spare descriptors are for the store, destinations and the admin listener."""

STREAMS = 400
"""Pages of the console that keep themselves fresh at a time."""
STREAMS_BYTES = 32 * 1024 * 1024
"""What is on its way to all of them together, beside 64 KiB of each that its browser has not read yet."""

ADMIN = ListenerLimits(64 + STREAMS, 64, 4 * 1024 * 1024, 4 * 1024 * 1024, 2 * STREAMS_BYTES, 128 * 1024)
"""Each stream holds a connection for as long as its page is open: 64 are left for everything else.
Nobody sends a write key here."""


def most_streams() -> int:
    """How many there may be: where the limit of open files is low, a quarter of it."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return STREAMS if files < 0 else min(STREAMS, files // 4)
