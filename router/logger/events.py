"""The table of log lines: the name, the level and the meaning of every line that the daemon may write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class LogEvent(NamedTuple):
    """A line the daemon may write: how grave it is, and what it means."""

    level: str  #: debug, info, warning or error
    meaning: str


EVENTS: Mapping[str, LogEvent] = {
    "daemon_started": LogEvent("info", "The process has begun. Fields: version, configuration, store and process id."),
    "daemon_ready": LogEvent("info", "Both listeners answer and every destination runs."),
    "daemon_stopping": LogEvent(
        "info", "The daemon was told to stop. It begins nothing new and finishes what is in flight."
    ),
    "requests_cut": LogEvent(
        "warning",
        "A stop took too long, or a second signal came. Requests in flight are cut and repeated after the start.",
    ),
    "progress_stalled": LogEvent(
        "error",
        "A worker or the store's writer has been at one piece of work for over a minute. Under systemd the daemon is started again if"
        " that lasts.",
    ),
    "daemon_stopped": LogEvent("info", "The last commit is made and the store is closed."),
    "config_reloaded": LogEvent(
        "info",
        "config.toml was read again and is in force. Fields name what was added, changed and removed, and what asked for it (`via`).",
    ),
    "config_reload_failed": LogEvent(
        "error", "config.toml was read again and refused. The former one stays in force. One line per problem."
    ),
    "config_edited": LogEvent(
        "info",
        "config.toml was written from the console. Fields: destination, keys, files of secrets. Values are not in it.",
    ),
    "config_warned": LogEvent("warning", "Something in config.toml is worth a look. It stops nothing."),
    "secret_missing": LogEvent(
        "warning", "A secret was not found. Its destination is in dry-run or disabled, so the daemon runs without it."
    ),
    "event_accepted": LogEvent("info", "An event is on stable storage. Its request is answered with 200."),
    "event_duplicate": LogEvent("info", "An event has a message id that was accepted before. It is not stored again."),
    "event_discarded": LogEvent("info", "A call cannot be used and is not stored. The reason names the field."),
    "decision_made": LogEvent(
        "info", "It was decided what becomes of an event at a destination. Fields: outcome and reason."
    ),
    "delivery_attempted": LogEvent(
        "debug", "An attempt to send an event has ended. Fields: status, reason and duration."
    ),
    "event_delivered": LogEvent("info", "The vendor has accepted an event, or a dry run has recorded it."),
    "event_retrying": LogEvent(
        "info", "An attempt to send an event failed, and another one is due. Later events of the same user wait."
    ),
    "events_waiting": LogEvent(
        "warning",
        "Events are held for longer than a day. Fields: how many, of how many users, for what. Written once a day.",
    ),
    "event_released": LogEvent("info", "A held event is sent now: its group is known, or an operator released it."),
    "lanes_given": LogEvent(
        "error",
        "Waiting events had no lane, which is a fault of the router. They have one now and are sent. `user_key` names one of the users.",
    ),
    "lanes_repaired": LogEvent(
        "error",
        "The lanes of users waited for nothing, or did not agree with their parked events, which is a fault of the router. They agree now,"
        " and the events are sent.",
    ),
    "counters_repaired": LogEvent(
        "error",
        "The counts of a destination did not agree with its rows, which is a fault of the router. Fields: by how much each was changed.",
    ),
    "cursor_repaired": LogEvent(
        "error",
        "The cursor of a destination was beyond the head of the log, and is at the head now. Field: by how many events.",
    ),
    "store_repaired": LogEvent(
        "error", "The store contradicted itself when it was opened, and was corrected. Field: in what."
    ),
    "event_lost": LogEvent(
        "error",
        "An event is dead because the store has its row and not the event itself. Fields: whose, and its position.",
    ),
    "event_dead": LogEvent(
        "warning", "An event was refused or given up. It is kept as a dead letter (GET /api/destinations/NAME/dead)."
    ),
    "operator_acted": LogEvent(
        "info", "An operator changed something. Fields: action, `via` (api or console), how many events, why."
    ),
    "event_replayed": LogEvent("info", "An event is sent once more because an operator asked for it."),
    "forgotten": LogEvent(
        "info",
        "People or groups were forgotten, or people suppressed. Fields: the id of the regulation, how many, what was erased. Never whom.",
    ),
    "personal_data_shown": LogEvent(
        "info",
        "Somebody asked a page of the console to show traits unmasked. Fields: whose, or of which event, and a hash of the session.",
    ),
    "logged_in": LogEvent(
        "info",
        "Somebody logged in to the console. Fields: `remote`, the address of the connection, and a hash of the session.",
    ),
    "login_refused": LogEvent(
        "warning",
        "Somebody gave the console a wrong token. Field: `remote`, the address of the connection. While the login is locked there is no line.",
    ),
    "regulations_repeated": LogEvent(
        "warning",
        "An older copy of the store was put back. Who was forgotten or suppressed since is so again. Fields: how many regulations.",
    ),
    "replay_started": LogEvent("info", "A replay begins: dead letters, or a span of the log, are sent again."),
    "replay_ended": LogEvent(
        "info", "A replay has queued its last event, or was stopped. Events that it queued may still be on their way."
    ),
    "letters_dropped": LogEvent(
        "warning", "Dead letters were deleted: by hand, or the oldest ones because of dead.max_age or dead.max_bytes."
    ),
    "destination_removed": LogEvent(
        "warning",
        "config.toml no longer names a destination of which the store has events. Fields: how many, by state.",
    ),
    "events_abandoned": LogEvent(
        "error",
        "A destination was removed for longer than store.retention. Events it had not read are dead, without a letter.",
    ),
    "destination_taken_over": LogEvent(
        "warning",
        "A node that delivered to it gives no sign of life any more: this one goes on. Field: `node`, which one.",
    ),
    "shards_changed": LogEvent(
        "info", "A destination is split into another number of shards from now on. Fields: `before`, `shards`."
    ),
    "config_differs": LogEvent(
        "warning",
        "Nodes that share a store have different files, or this node's is not the active one somewhere. Written when what differs is another thing.",
    ),
    "versions_differ": LogEvent("warning", "Nodes that share a store run different versions."),
    "destination_added": LogEvent(
        "info", "A new destination gets events from now on. Earlier events are not sent to it."
    ),
    "destination_paused": LogEvent("warning", "A destination sends nothing for now. The reason says who must act."),
    "destination_resumed": LogEvent("info", "A paused destination sends again."),
    "breaker_opened": LogEvent(
        "warning", "Too many requests in a row failed. From now on one request at a time probes the vendor."
    ),
    "breaker_closed": LogEvent("info", "A probe succeeded. The destination sends as before."),
    "plugin_warned": LogEvent(
        "warning",
        "A plugin met something odd that stops nothing. `count`: how often so far. Written once a minute at most.",
    ),
    "input_warned": LogEvent(
        "warning",
        "A field in the calls of a source was mended, left aside or guessed. `count`: how often so far. Once a minute at most.",
    ),
    "plan_violation": LogEvent(
        "warning",
        "A call does not fit the tracking plan of its source. `count`: how often so far. Once a minute for each type.",
    ),
    "notified": LogEvent(
        "info", "The address of `[notify]` took a message. `changes`: kind, code and subject of each change in it."
    ),
    "notify_failed": LogEvent(
        "warning",
        "The address of `[notify]` did not take a message, which is sent again. `attempt`: how often it was tried. Written when that number has doubled.",
    ),
    "tracing_failed": LogEvent(
        "warning",
        "The collector at `endpoint` (of `[tracing]`) does not take spans. They are lost until it does. Written once an outage.",
    ),
    "tracing_recovered": LogEvent(
        "info", "The collector at `endpoint` takes spans again. `lost`: how many it did not take meanwhile."
    ),
    "store_full": LogEvent("error", "Too little disk space is free. Events are answered with 503 until there is more."),
    "store_half_full": LogEvent(
        "warning",
        "Half of the disk space for the store is used. `behind` names the destinations that keep events in the log.",
    ),
    "store_warned": LogEvent(
        "warning", "Something of the store is worth a look as the daemon starts. It stops nothing. Field: its `code`."
    ),
    "store_upgraded": LogEvent(
        "info",
        "The store had the schema of an older version. Field: from which schema to which, and where its copy is.",
    ),
    "store_made_private": LogEvent(
        "warning", "Every user of the machine could read this file of the store. Now only its owner can. Field: `file`."
    ),
    "store_failed": LogEvent(
        "error", "The disk refused a write or a sync. Nothing more is accepted, and the process ends with exit code 1."
    ),
    "store_recovered": LogEvent("info", "Enough disk space is free again. Events are accepted."),
    "clock_jumped": LogEvent(
        "warning",
        "The wall clock jumped by `seconds`. Router time follows it by 1 s in 10 s, so nothing expires by the jump.",
    ),
    "library_logged": LogEvent(
        "warning", "A library that the daemon uses wrote a line. The level is the library's own."
    ),
    "plugin_failed": LogEvent(
        "error", "A plugin failed outside of an event: which plugin and hook, with its traceback."
    ),
    "plugin_slow": LogEvent(
        "warning",
        "A hook held the event loop for 0.1 s or longer. Fields: the hook, the event, how long and where. Once a minute at most.",
    ),
    "loop_held": LogEvent(
        "error", "A hook has held an event loop for 5 s and holds it still. Fields: the hook, the event and where."
    ),
    "destination_isolated": LogEvent(
        "warning",
        "The hooks of a destination blocked the event loop again and again, or one never returned. It runs in its own thread now.",
    ),
    "claim_lost": LogEvent(
        "warning",
        "Another worker has the destination now. What this one had in memory is not stored; the other one has it from the store.",
    ),
    "internal_error": LogEvent("error", "A fault of the router itself, with its traceback. Please report it."),
}

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def is_at_least(level: str, limit: str) -> bool:
    """Whether a level is as grave as another."""
    return LEVELS[level] >= LEVELS[limit]
