"""Which destinations cannot be split into shards, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from router.config import DeliveryConfig

STATE_HOOKS = ("state_key", "wake")
ONE_WRITER = ("file",)
"""Plugins that write where they run: two shards would write the same files."""


def why_not_split(plugin: str, hooks: Collection[str], delivery: DeliveryConfig, *, is_gated: bool) -> Iterator[str]:
    """Empty: it can have several shards."""
    if is_gated:
        yield "it waits for groups (the plugin's `requires`, hold.require), and the group call of a user may belong to another shard"
    if any(hook in hooks for hook in STATE_HOOKS):
        yield "the plugin keeps state (state_key, wake), and a key may belong to users of two shards"
    if plugin in ONE_WRITER:
        yield "the plugin writes to the disk of the node that it runs at"
    if delivery.isolation == "thread":
        yield 'its hooks have a thread of their own (isolation = "thread"), and shards share the loop'
