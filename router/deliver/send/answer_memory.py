"""Knows the answer that a vendor gives again and again: of many in a row only the body differs, if anything.

To find that an answer is like the one before takes a third of the time that the parser takes. Heads that name the second change once
a second. Where each has an id of its own nothing is ever found, so ever fewer answers are learnt.
"""

from __future__ import annotations

from router.deliver.send.http_client import Reply

MAX_HEAD_KEPT = 4096
HEAD_END = b"\r\n\r\n"


class AnswerMemory:
    """Of one connection: the newest answer that was learnt."""

    __slots__ = ("_answers", "_head", "_headers", "_in_vain", "_learns_at", "_size", "_status")

    def __init__(self) -> None:
        self._head, self._size = b"", 0  #: with its body
        self._status = 0
        self._headers: dict[str, str] = {}
        self._answers = 0  #: that were not like the learnt one
        self._in_vain = 0  #: answers that were learnt since one was found
        self._learns_at = 0  #: not before as many answers

    def find(self, data: bytes) -> Reply | None:
        """What these bytes say if they have the head of the learnt answer, and its length; None: the parser has to read them."""
        if len(data) != self._size or not data.startswith(self._head):
            return None
        self._in_vain = 0
        return Reply(self._status, self._headers.copy(), data[len(self._head) :])

    def learn(self, data: bytes, reply: Reply) -> None:
        """These bytes are a whole answer, after which the connection may carry another request."""
        self._answers += 1
        if self._answers < self._learns_at:
            return
        size = data.find(HEAD_END) + len(HEAD_END)
        if data[size:] != reply.body or size > MAX_HEAD_KEPT:  # chunks, or an interim answer before it
            return
        self._head, self._size = data[:size], len(data)
        self._status, self._headers = reply.status, reply.headers.copy()
        self._in_vain += 1
        self._learns_at = self._answers + self._in_vain
