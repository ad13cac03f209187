"""`cluster`: the nodes that share a store, who has which destination, and where they are not alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.cli.client import running_daemon
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table, say_wrapped
from router.cli.style import BAD, state
from router.explain import cluster_phrases
from router.explain.figures import short_instant


@asks
def cluster(common: Common) -> None:
    """Show the nodes that share the store.

    Which nodes live, who delivers to which destination and how far behind that is, who does what for all, and where nodes have
    another config.toml or another version. With a store in a file it is this one node.

    Examples:
        cluster
        cluster --json
    """
    with running_daemon(common) as admin:
        told = admin.get("api", "cluster")
    if common.as_json:
        say_json(told)
        return
    _say_nodes(told)
    say("")
    _say_units(told)
    say("")
    for sentence in cluster_phrases.duties(told):
        say_wrapped(sentence)
    for sentence in (*cluster_phrases.without_owner(told), *cluster_phrases.differences(told)):
        say_wrapped(f"! {sentence}", BAD)


def _say_nodes(told: Mapping[str, Any]) -> None:
    say_table(
        ["node", "version", "since (UTC)", "alive", "units", "admin"],
        [
            [
                f"{one['name']} *" if one["is_this"] else one["name"],
                one["version"],
                short_instant(one["since"]),
                cluster_phrases.alive(one),
                one["units"],
                one["admin"],
            ]
            for one in told["nodes"]
        ],
        cut=["node"],
        wrap=["alive", "admin"],
    )
    say("* the node that was asked")


def _say_units(told: Mapping[str, Any]) -> None:
    say_table(
        ["destination", "node", "epoch", "since (UTC)", "lag", "state"],
        [
            [
                cluster_phrases.unit(one, told),
                one["node"] or "nobody",
                one["epoch"],
                short_instant(one["since"]),
                one["lag"],
                state(one["state"]),
            ]
            for one in told["units"]
        ],
        cut=["destination", "node"],
    )
