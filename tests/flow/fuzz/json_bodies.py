"""Spoiled JSON to every path of ingestion that takes a body: single calls, and batches of good and bad ones."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.flow.fuzz.odd_values import TYPES, encoded, good_call, odd_value, spoiled, spoiled_bytes
from tests.flow.fuzz.wire import Tally, Target, in_pieces, post, talk

SINGLE = (*(f"/v1/{type}" for type in TYPES), *(f"/v1/{type[0]}" for type in TYPES), "/api/s/track", "/api/s/s2s/page")
BATCH = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch?writeKey=wk_test_123")
HOOKS = ("/v1/webhook/wk_hooks", "/v1/webhook")


async def send_json(random: Random, target: Target, tally: Tally) -> None:
    """One body, spoiled or not."""
    kind, path, body = make(random)
    if random.random() < 0.35:
        kind, body = f"{kind}, spoiled bytes", spoiled_bytes(random, body)
    tally.tried[f"json: {kind}"] += 1
    request = post(path, body)
    pieces = in_pieces(random, request) if random.random() < 0.2 else [request]
    await talk(target.port, pieces, tally, gap_s=random.choice((0.0, 0.0, 0.02)))


def make(random: Random) -> tuple[str, str, bytes]:
    """The kind, the path and the body of a request."""
    drawn = random.random()
    if drawn < 0.25:
        return "good call", random.choice(SINGLE), encoded(good_call(random), random)
    if drawn < 0.55:
        return "spoiled call", random.choice(SINGLE), encoded(several_times_spoiled(random, good_call(random)), random)
    if drawn < 0.8:
        return "batch", random.choice(BATCH), encoded(batch(random), random)
    if drawn < 0.85:
        calls = [several_times_spoiled(random, good_call(random)) for _ in range(random.randrange(5))]
        return "webhook", random.choice(HOOKS), encoded(calls, random)
    if drawn < 0.87:
        large = {
            **good_call(random, "track"),
            "properties": {"x": "y" * random.choice((30_000, 32_000, 33_500, 700_000))},
        }
        return "large call", random.choice(SINGLE + BATCH), encoded(large, random)
    return "any value", random.choice(SINGLE + BATCH), encoded(odd_value(random), random)


def batch(random: Random) -> dict[str, Any]:
    """A batch of good and bad calls, perhaps spoiled itself."""
    size = random.choice((0, 1, 3, 10, 40)) if random.random() < 0.97 else 2_600
    calls: list[Any] = [item(random) for _ in range(min(size, 40))]
    if size > len(calls):
        calls = [1, *[{}] * size]
    whole: dict[str, Any] = {"batch": calls, "sentAt": "2026-01-02T03:04:05Z", "context": {"library": {"name": "fuzz"}}}
    return several_times_spoiled(random, whole) if random.random() < 0.2 else whole


def item(random: Random) -> Any:
    """An item of a batch."""
    drawn = random.random()
    if drawn < 0.5:
        return good_call(random)
    return several_times_spoiled(random, good_call(random)) if drawn < 0.9 else odd_value(random)


def several_times_spoiled(random: Random, value: Any) -> Any:
    """Changed in one place to four."""
    for _ in range(random.randint(1, 4)):
        value = spoiled(random, value)
    return value
