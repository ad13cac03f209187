"""The hot path: a usual request is answered from `data_received`, without a task, a router or a stream.

bytes -> `request_head` -> parse -> admission -> sink, and its callback writes the answer (`hot_connection`, `raw_response`).

What is unusual in any way takes the full path, aiohttp's own, with every byte of it unread: CORS, compression, chunks, HTTP/1.0, a large batch,
a source with a rate or with origins, whatever is refused, and all that comes while the full path is at work on the connection.
Both paths answer the same bytes.
"""

from __future__ import annotations

from aiohttp import web

from router.ingest.admission import Admission, Admitted
from router.ingest.in_flight import InFlight
from router.ingest.parse import parse_batch, parse_single
from router.ingest.raw_response import RawResponses
from router.ingest.request_head import Head, HeadReader
from router.metrics import Metrics


class HotPath:
    """What all connections of an application share."""

    def __init__(self, admission: Admission, metrics: Metrics, in_flight: InFlight, heads: HeadReader) -> None:
        self.admission, self.metrics, self.in_flight, self.heads = admission, metrics, in_flight, heads
        self.responses = RawResponses()

    def knows(self, head: Head) -> bool:
        """Whether a request may go on: the key in its head belongs to a source, or it has none there."""
        return not head.key or self.admission.sources.find(head.key) is not None

    def admit(self, head: Head, body: bytes, remote: str) -> Admitted | None:
        """What is to be stored of a request. None: the full path has to decide.

        Args:
            remote: the address at the other end of the connection.
        """
        if not self.knows(head):
            return None
        type = head.route.type
        try:
            posted = parse_single(type, body) if type else parse_batch(body)
            return self.admission.admit_plain(posted, head.key, remote, head.forwarded, single=bool(type))
        except Exception:  # the full path meets it again, and has an answer for it
            return None


HOT_PATH = web.AppKey("hot_path", HotPath)
"""Where an application keeps its hot path."""
