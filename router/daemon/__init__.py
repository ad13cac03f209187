"""The daemon: one process with a store, two listeners and a runner per destination. `daemon.py` lists its lifetimes.

signals.py      every signal, before, during and after the loop
shutdown.py     what a stop does: drain, deadline, second signal
reload.py       what changed in config.toml, what needs a restart, and putting it in force
supervisor.py   the destinations that run
thread_runner.py  a destination in a thread of its own
hook_alarm.py   ends a hook that never returns in the loop of all
held_marks.py   destinations that ended the process so
loop_watch.py   which plugin holds an event loop
counting.py     writes what was counted, once a minute
disk_watch.py   the warning at half of the disk budget
"""

from router.daemon.daemon import run
from router.daemon.event_loop import loop_factory

__all__ = ["loop_factory", "run"]
