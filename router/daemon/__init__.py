"""The daemon: one process with a store, two listeners and a runner per destination. `daemon.py` lists its lifetimes.

process.py      the process around it: what is set before its loop runs, and how it ends
answering.py    what the admin API asks of it
opening.py      opens the store that config.toml names
signals.py      every signal, before, during and after the loop
signal_watch.py they stay the daemon's, whatever code of a plugin does
shutdown.py     what a stop does: drain, deadline, second signal
reload.py       reads config.toml again and puts it in force, or refuses it
config_changes.py  what changed in it, and what needs a restart
reloading.py    a reload here, or at all nodes
reload_everywhere.py  the same at all nodes, by commands
signal_reloads.py  reloads that SIGHUP asked for
supervisor.py   the destinations that run
thread_runner.py  a destination in a thread of its own
runner_around.py  what this one and the next have in common
commands.py     what any node is asked of a destination, and the node that has it carries out
commanded_runner.py  a destination whose commands go that way
cluster_watch.py  what the log says where nodes are not alike
fingerprints.py what nodes compare of their configurations
hook_alarm.py   ends a hook that never returns in the loop of all
held_marks.py   destinations that ended the process so
isolation.py    destinations that have a thread of their own for that
event_loop.py   the loop, which no code of a plugin ends
guarded_task.py its tasks, of which a plugin cancels only its own
loop_watch.py   which plugin holds an event loop, and how late each loop is
cursor_watch.py which cursors do not move
counting.py     writes what was counted, once a minute
disk_looks.py   the room on the disk and the last backup, read in a thread
disk_watch.py   the warning at half of the disk budget
service_manager.py  what systemd is told: ready, reloading, stopping, a status line, signs of life
notify_socket.py    the socket on which it is told
progress.py         whether workers and the store's writer get on
gist.py             the status line
passed_sockets.py   sockets that systemd listens on and passes to the daemon
"""

from router.daemon.event_loop import loop_factory
from router.daemon.process import run

__all__ = ["loop_factory", "run"]
