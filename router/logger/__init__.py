"""What the daemon says while it works: one line per decision and change of state, from one table of names.

    log = make_log(config.log.level, config.log.format, config.log.decisions)
    with library_lines(log):
        log.emit("destination_paused", destination="braze", reason="credentials")

Callers say what happened; level and form are decided here. Traits, properties, keys and tokens are never written.
"""

from router.logger.library import library_lines
from router.logger.log import EventIds, Log, cut, event_fields, fields_of_events, to_paste
from router.logger.make import make_log

__all__ = [
    "EventIds",
    "Log",
    "cut",
    "event_fields",
    "fields_of_events",
    "library_lines",
    "make_log",
    "to_paste",
]
