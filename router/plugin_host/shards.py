"""A shard of a destination: what it may take of what the destination may."""

from __future__ import annotations

import dataclasses

from router.config import Rate
from router.plugin_host.destination import Destination, with_new_instance
from router.store import Share


def shard_of(destination: Destination, share: Share) -> Destination:
    """The destination as one of its shards sends to it. A plugin that opens something of its own is made anew."""
    config, n = destination.config, share.shards
    delivery = config.delivery.model_copy(
        update={
            "concurrency": config.delivery.concurrency // n,
            "rate": _rate_of(config.delivery.rate, n),
            "slow_hooks": "pause",
        }
    )
    hold = config.hold.model_copy(update={"max_bytes": max(1, config.hold.max_bytes // n)})
    dead = config.dead.model_copy(update={"max_bytes": max(1, config.dead.max_bytes // n)})
    table = config.model_copy(update={"delivery": delivery, "hold": hold, "dead": dead})
    own = with_new_instance(destination) if "lifetime" in destination.hooks else destination
    return dataclasses.replace(own, config=table, share=share)


def _rate_of(rate: Rate | None, shards: int) -> Rate | None:
    """A share of a rate: together they are as fast, and at once they let no more requests go, but for one each."""
    if rate is None:
        return None
    count = max(1, rate.count // shards)
    return Rate(count, rate.per_s * count * shards / rate.count)
