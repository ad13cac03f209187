"""An answer that is like the one before is read as the parser reads it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.deliver.send.answer_memory import AnswerMemory
from router.deliver.send.http_answer import AnswerReader
from router.deliver.send.http_client import Reply
from tests.unit.deliver.send.test_http_answer import CHUNKED, INTERIM, LENGTH, read

HEADS = ["200 OK", "200 Fine", "500 No", "204 Nothing", "304 Same"]
MORE = ["", "A: 1\r\n", "A: 2\r\n", "Connection: close\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 4\r\n"]


@st.composite
def answer(draw: st.DrawFn) -> bytes:
    """Whole and broken ones, most of them alike: with a wrong length, cut off, or with more behind them."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from([LENGTH, CHUNKED, INTERIM]))
    body = draw(st.sampled_from([b"", b"ok", b"no", b"{}\r\n", b"0\r\n\r\n"]))
    length = len(body) + draw(st.sampled_from([0, 0, 0, 1, -1]))
    head = f"HTTP/1.1 {draw(st.sampled_from(HEADS))}\r\nContent-Length: {length}\r\n{draw(st.sampled_from(MORE))}\r\n"
    return head.encode() + body


@given(st.lists(answer(), min_size=2, max_size=8), st.sampled_from(["POST", "HEAD"]))
def test_what_came_before_on_a_connection_changes_nothing(answers: list[bytes], method: str) -> None:
    reader = AnswerReader()
    for data in answers:
        fresh = AnswerReader()
        found = read(reader, [data], method)
        assert found == read(fresh, [data], method)
        fresh.release()
        if not reader.keeps:  # the connection carries no other request
            break
    reader.release()


def learnt(memory: AnswerMemory, heads: list[bytes]) -> int:
    """How many of these answers are learnt: they would be found at once."""
    n = 0
    for head in heads:
        data = head + b"\r\n\r\nok"
        assert memory.find(data) is None
        memory.learn(data, Reply(200, {}, b"ok"))
        n += memory.find(data) is not None
    return n


def test_headers_of_a_found_answer_are_not_shared_with_the_next_one() -> None:
    memory = AnswerMemory()
    memory.learn(LENGTH, Reply(200, {"a": "1"}, b"body"))
    for _ in range(2):
        found = memory.find(LENGTH)
        assert found is not None
        assert found.headers == {"a": "1"}
        found.headers.clear()


def test_a_long_head_is_not_kept() -> None:
    assert learnt(AnswerMemory(), [b"x" * 5000]) == 0


def test_of_answers_that_are_never_alike_ever_fewer_are_learnt() -> None:
    memory, learns = AnswerMemory(), 0
    for n in range(1000):
        data = b"HTTP/1.1 200 OK\r\nX-Id: %d\r\n\r\n" % n
        memory.learn(data, Reply(200, {}, b""))
        learns += memory._head == data
    assert learns < 50
