"""The codes of troubles: what each stands for, whose it is, and what to do about those of the router itself. A code stays, for programs."""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, str] = {
    "stopping": "The daemon was asked to stop.",
    "store_broken": "The store cannot write.",
    "store_away": "The database of the store cannot be reached.",
    "store_locked": "Another process holds a lock on the store.",
    "disk_full": "Less than half of `store.min_free` is free.",
    "disk_low": "Less than `store.min_free` is free.",
    "store_half_full": "The store uses half of its disk budget.",
    "store_not_trimmed": "Old events are not removed from the database of the store.",
    "store_not_replicated": "The database of the store names no synchronous standby.",
    "config_differs": "Two nodes that share a store have different files.",
    "versions_differ": "Two nodes that share a store run different versions.",
    "backup_old": "The last backup is older than `store.backup_max_age`, or there is none.",
    "reload_refused": "config.toml was read again and refused.",
    "loop_lag": "The event loop was late by more than 5 seconds in the last minute.",
    "clock_jump": "The wall clock jumped in the last hour.",
    "credentials": "A destination is paused: the vendor refused our key.",
    "set_up": "A destination is paused: its set-up is wrong.",
    "internal": "A destination is paused after a fault of the router.",
    "slow_hooks": "A destination is paused: its plugin held up all others.",
    "hook_held": "A hook of a plugin does not return.",
    "paused": "A destination is paused by its plugin, for a reason of its own.",
    "by_hand": "A destination is paused by an operator.",
    "breaker_open": "A destination fails again and again.",
    "retry_after": "The vendor asked us to wait.",
    "no_owner": "No node delivers to a destination for over 30 seconds.",
    "cursor_stuck": "A destination that runs has not moved its cursor for over 5 minutes.",
    "plugin_error": "A plugin raised exceptions in the last hour.",
    "dead": "Dead letters in the last hour.",
    "undelivered": "The oldest event waits for its turn for over 15 minutes.",
    "group_filtered": "Group calls were filtered at a destination that needs groups.",
    "hold_growing": "More and more is held, and nobody was released for a day.",
    "source_silent": "A source is silent for longer than usual.",
    "discards": "More than 1 % of the calls of a source could not be used in the last hour.",
}
"""All of them, gravest first, and what each stands for."""
OF_THE_CLUSTER = frozenset({"config_differs", "versions_differ"})
OF_SOURCES = frozenset({"source_silent", "discards"})
OF_THE_ROUTER = frozenset(
    {
        "stopping", "store_broken", "store_away", "store_locked", "disk_full", "disk_low", "store_half_full",
        "store_not_trimmed", "store_not_replicated", "config_differs", "versions_differ", "backup_old", "reload_refused", "loop_lag", "clock_jump",
    }
)  # fmt: skip
"""All others are about destinations."""
FREE_ROOM = "free room on the disk"
STEPS: Mapping[str, str] = {
    "stopping": "nothing to do: start it again when you need it",
    "store_broken": "see to the disk and to the store's file, then start the router again",
    "store_away": "see whether the database runs, and whether this machine reaches it",
    "store_locked": "end that process: `lsof` on the store's file names it",
    "disk_full": FREE_ROOM,
    "disk_low": FREE_ROOM,
    "store_half_full": FREE_ROOM,
    "store_not_trimmed": "see what the database says, and whether its user may still change the tables",
    "store_not_replicated": "give the database a standby, or say that its disks are replicated",
    "config_differs": "see which file is right, copy it to all nodes, then `reload --everywhere`",
    "versions_differ": "update the nodes that have the older version, one after the other",
    "backup_old": "make a backup, and look why the timer made none",
}
"""What to do about a problem of the daemon or its store, by its code."""
REFUSED: Mapping[str, str] = {
    "invalid_config": "correct config.toml, then reload",
    "restart_required": "restart the router, or take that change back",
    "confirmation_required": "run `reload --yes` if you want what it changes for good, or take that change back",
}
"""What to do about a reload that was refused, by the code of the refusal."""
