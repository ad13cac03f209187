"""Which destinations can be split into shards, and what each shard may take of what the destination may."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.config import DestinationConfig, Rate, load
from router.errors import ConfigError
from router.plugin import Context, Event, Group, Item, Request, Settings, hookimpl, json_request
from router.plugin_host import Destination, build_around
from router.plugin_host.shards import shard_of
from router.store import Share


class Open:
    """Asks for no group and keeps no state."""

    settings_model = Settings
    requires: ClassVar[Any] = {}

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """As it comes."""
        return Item({"m": event.message_id})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """All of them."""
        return json_request("http://vendor.test/", [item.body for item in items])


class Gated(Open):
    """Waits for groups."""

    requires: ClassVar[Any] = {"track": (Group("id"),)}


class Keeping(Open):
    """Keeps state."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """One for all."""
        return "all"


class Opening(Open):
    """Opens something of its own."""

    @hookimpl
    @asynccontextmanager
    async def lifetime(self) -> Any:
        """Nothing."""
        yield


def built(plugin: type[Any], name: str = "open", **delivery: Any) -> Destination:
    table = {"name": "d", "plugin": name, "sources": ["*"], "settings": {}, "delivery": delivery}
    return build_around(plugin, DestinationConfig.model_validate(table))


@pytest.mark.parametrize(
    ("plugin", "name", "delivery", "why"),
    [
        (Gated, "gated", {}, "it waits for groups"),
        (Keeping, "keeping", {}, "the plugin keeps state"),
        (Open, "file", {}, "writes to the disk of the node"),
        (Open, "open", {"isolation": "thread"}, "a thread of their own"),
    ],
)
def test_what_would_break_a_promise_is_refused_with_the_reason(
    plugin: type[Any], name: str, delivery: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        built(plugin, name, shards=4, **delivery)
    assert refused.value.problems[0].startswith("d.delivery.shards: 4 cannot be")
    built(plugin, name, **delivery)


def test_a_shard_takes_its_share_of_what_the_destination_may() -> None:
    whole = built(Open, shards=4, concurrency=10, rate="100/s")
    one = shard_of(whole, Share(0, 4)).config
    assert (one.delivery.concurrency, one.delivery.rate) == (2, Rate(25, 1.0))
    assert (one.hold.max_bytes, one.dead.max_bytes) == (250_000_000, 250_000_000)


@pytest.mark.parametrize(("rate", "shards"), [("2/s", 4), ("7/m", 2), ("100/s", 64)])
def test_all_shards_together_are_as_fast_as_the_destination_may_be(rate: str, shards: int) -> None:
    whole = built(Open, shards=shards, concurrency=64, rate=rate)
    share = shard_of(whole, Share(0, shards)).config.delivery.rate
    assert share is not None
    assert whole.config.delivery.rate is not None
    assert share.per_second * shards == pytest.approx(whole.config.delivery.rate.per_second)


def test_only_a_plugin_that_opens_something_is_made_for_each_shard() -> None:
    shared, own = built(Open, shards=2), built(Opening, shards=2)
    assert shard_of(shared, Share(0, 2)).instance is shared.instance
    assert shard_of(own, Share(0, 2)).instance is not shard_of(own, Share(0, 2)).instance


@pytest.mark.parametrize(
    ("store", "delivery", "why"),
    [
        ("", "shards = 4", "only with a database as the store"),
        ('[store]\nurl = "postgresql://router@db/events"\n', "shards = 3", "3 is no power of two"),
        ('[store]\nurl = "postgresql://router@db/events"\n', "shards = 4\nconcurrency = 2", "too few for 4 shards"),
    ],
)
def test_a_number_that_cannot_be_is_refused_when_the_file_is_read(
    tmp_path: Path, store: str, delivery: str, why: str
) -> None:
    path = tmp_path / "config.toml"
    text = f'{store}[[destination]]\nname = "d"\nplugin = "webhook"\nsources = []\n[destination.delivery]\n{delivery}\n'
    path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        load(path, {})
