"""Copies a store into a new one, between a file of SQLite and a database of PostgreSQL in each direction.

tables.py           what is copied, table by table, and which tables are made anew
ports.py            what a copy asks of a source and of a target
copying.py          one table after the other, in slices
merging.py          shards become one, for a store that has none
opening.py          sources and targets by their addresses
sqlite_source.py    a file that is read
sqlite_target.py    a file that is made
postgres_source.py  a database that is read
postgres_target.py  a database that is filled
"""

from __future__ import annotations

from router.store.copy.copying import Copied, copy
from router.store.copy.opening import Address, open_source, open_target
from router.store.copy.ports import Progress

__all__ = ["Address", "Copied", "Progress", "copy", "open_source", "open_target"]
