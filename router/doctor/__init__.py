"""`doctor`: what is wrong with the machine, the installation and the way to the vendors, each with a remedy.

A check is a function that takes a `Subject` and yields findings. It changes nothing but a small file of its own in the folder of the
store. It reads no event. Checks run at the same time, each in a thread with a time limit.

finding.py         what a check finds, and the codes
subject.py         what is examined: this machine, config.toml, the store, the destinations
examine.py         runs checks: at the same time, each for a limited time, and none ends in a traceback
checks.py          which checks there are
program.py         Python and SQLite
configuration.py   config.toml and the plugins
store_file.py      whether the store can be opened, and whether an upgrade has room
store_locks.py     whether another process holds the store locked
database.py        whether the database of a shared store can be used
space.py           bytes and inodes that are free
mount.py           what the mount of the store says: network, memory, barriers
disk_sync.py       how long a sync takes, and whether what was synced is there
descriptors.py     limits of open files
time_of_day.py     the clock against the store, and whether anything keeps it right
permissions.py     whether the service can write where the store and its backups are
secret_files.py    who can read the store, config.toml and the secrets
service_unit.py    whether the unit has the credentials, and whether its user can run the program
unit_files.py      what installed units say
units.py           installed systemd units against those that are shipped
vendors.py         which addresses the destinations send to
reach.py           one address: DNS, TCP, TLS and the certificate
"""

from router.doctor.checks import checks_of
from router.doctor.examine import examine
from router.doctor.finding import CODES, Finding, Level
from router.doctor.subject import Subject, read_subject

__all__ = ["CODES", "Finding", "Level", "Subject", "checks_of", "examine", "read_subject"]
