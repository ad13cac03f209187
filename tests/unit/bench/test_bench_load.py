"""What is sent, and when the next request may leave."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from router.bench import mapping
from router.bench.generator import Generator
from router.bench.http1 import ServerConnection, answer
from router.bench.load import Load
from router.bench.sink import Sink
from router.bench.workload import BATCH, Workload, request_maker
from router.event import normalize_event
from router.plugin import Context, Item
from router.plugin_host import find


def calls(request: bytes) -> list[dict[str, Any]]:
    batch: list[dict[str, Any]] = msgspec.json.decode(request.partition(b"\r\n\r\n")[2])["batch"]
    return batch


def message_ids(make: Callable[[], bytes]) -> list[str]:
    return [call["messageId"] for call in calls(make())]


# ---------------------------------------------------------------- what is sent


def test_the_mix_of_the_mapping_is_two_parts_identify_seven_track_one_group() -> None:
    types = [type for type, _, _ in mapping.mixed_events()]
    assert Counter(types) == {"track": 1400, "identify": 400, "group": 200}


def test_no_event_of_the_mix_is_refused() -> None:
    """What is not mapped would cost nothing."""
    braze = find("braze").load()
    sending = braze(braze.settings_model(api_key="K"))
    made = 0
    for type, message_id, body in mapping.mixed_events():
        event = normalize_event("bench", type, message_id, mapping.RECEIVED_MS, body)
        found = getattr(sending, type)(event, Context())
        made += 1 if isinstance(found, Item) else len(found)
    assert made == mapping.EVENTS + 2 * mapping.EVENTS // 10, "an order is three purchases"


@pytest.mark.parametrize("kind", ["single", "batch", "gzip"])
def test_the_same_seed_sends_the_same(kind: str) -> None:
    first, second = request_maker(Workload(kind, 7)), request_maker(Workload(kind, 7))
    assert [first(), first()] == [second(), second()]


def test_an_event_has_the_usual_size() -> None:
    body = request_maker(Workload("single"))().partition(b"\r\n\r\n")[2]
    assert 800 <= len(body) <= 900


def test_message_ids_have_no_rising_prefix() -> None:
    ids = message_ids(request_maker(Workload("batch")))
    assert len(set(ids)) == BATCH
    assert ids != sorted(ids)


def test_repeated_ids_are_as_many_as_it_says() -> None:
    workload = Workload("batch", duplicates=True)
    assert BATCH - len(set(message_ids(request_maker(workload)))) == workload.repeated


def test_group_calls_name_each_user_once() -> None:
    workload = Workload("groups", users=(0, 200))
    make = request_maker(workload)
    assert workload.requests == 2
    users = [call["userId"] for _ in range(2) for call in calls(make())]
    assert len(set(users)) == 200


# ---------------------------------------------------------------- when the next one leaves


class Came:
    """As many events as a test says have come everywhere."""

    def __init__(self) -> None:
        self.events = 0

    def least(self, destinations: int) -> int:
        return self.events


def load(**changes: Any) -> Load:
    plain = Load(port=0, workload=Workload(), connections=1, seconds=0.0, warm_up_s=0.0, pid=os.getpid())
    return msgspec.structs.replace(plain, **changes)


def test_a_closed_loop_over_the_whole_path_sends_no_more_than_its_window_until_something_arrives() -> None:
    came = Came()
    generator = Generator(load(window=3), os.getpid(), came)
    assert [generator.next_request() is not None for _ in range(4)] == [True, True, True, False]
    came.events = 2
    assert [generator.next_request() is not None for _ in range(3)] == [True, True, False]


def test_what_came_before_a_run_does_not_widen_its_window() -> None:
    came = Came()
    came.events = 100
    generator = Generator(load(window=1), os.getpid(), came)
    assert generator.next_request() is not None
    assert generator.next_request() is None


def test_a_request_of_an_open_loop_is_timed_from_the_instant_it_was_due() -> None:
    generator = Generator(load(rate=100.0), os.getpid())
    assert generator.next_request() is None
    generator.schedule(5.0)
    found = generator.next_request()
    assert found is not None
    assert found[1] == 5.0
    assert generator.next_request() is None


async def served(load: Load) -> tuple[Any, Sink]:
    """A run against a sink in place of the daemon."""
    sink = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ServerConnection(lambda path, *_: sink.receive("/ok/one", *_)), "127.0.0.1", 0
    )
    async with server:
        found = await Generator(
            msgspec.structs.replace(load, port=server.sockets[0].getsockname()[1]), os.getpid()
        ).run()
    return found, sink


@pytest.mark.parametrize(
    "changes", [{}, {"rate": 500.0}, {"workload": Workload("batch", most=3)}], ids=["closed", "open", "counted"]
)
async def test_every_request_is_answered_and_counted_once(changes: dict[str, Any]) -> None:
    found, sink = await served(load(connections=4, seconds=0.05, **changes))
    assert found.unanswered == 0
    assert found.refused == {}
    assert found.answered == sink.least(1) > 0


async def test_a_run_of_so_many_requests_sends_so_many() -> None:
    found, _ = await served(load(connections=8, workload=Workload("batch", most=3)))
    assert found.answered == 3 * BATCH


def test_the_sink_counts_the_calls_of_a_body_and_knows_how_old_they_are() -> None:
    sink = Sink()
    call = {"messageId": "m", "receivedAt": "2026-01-02T03:04:05.678Z"}
    sink.receive("/ok/one", b"", msgspec.json.encode(call))
    sink.receive("/ok/one", b"", msgspec.json.encode([call, call]))
    sink.receive("/ok/two", b"", msgspec.json.encode(call))
    assert sink.least(1) == 3
    assert sink.least(2) == 1
    assert sink.least(3) == 0
    assert sink.stats()["one"].p50_ms > 0


def test_an_answer_has_the_length_it_announces() -> None:
    head, _, body = answer("200 OK", b"{}").partition(b"\r\n\r\n")
    assert b"Content-Length: 2" in head
    assert body == b"{}"
