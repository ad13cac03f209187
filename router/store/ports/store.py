"""One opened store: all of its ports."""

from __future__ import annotations

from typing import Protocol

from router.store.ports.claims import Claims
from router.store.ports.delivery import Directory
from router.store.ports.event_log import EventLog
from router.store.ports.health import Health, Sizes
from router.store.ports.nodes import Cluster, Commands, Notices
from router.store.ports.people import Erasure, People
from router.store.ports.queries import Lookups, Queries
from router.store.ports.reports import Counters, InputReports, OutputReports


class Store(Protocol):
    """One opened store."""

    @property
    def repaired(self) -> str:
        """In what it contradicted itself when it was opened; empty: in nothing."""
        ...

    @property
    def log(self) -> EventLog: ...

    @property
    def claims(self) -> Claims: ...

    @property
    def directory(self) -> Directory:
        """For people who ask, beside the claims' own: a slow question of theirs holds no delivery up."""
        ...

    @property
    def health(self) -> Health: ...

    @property
    def queries(self) -> Queries: ...

    @property
    def input_reports(self) -> InputReports: ...

    @property
    def lookups(self) -> Lookups: ...

    @property
    def commands(self) -> Commands | None:
        """None: no other process uses the store, so whoever is asked carries it out."""
        ...

    @property
    def cluster(self) -> Cluster | None:
        """None: no other process uses the store."""
        ...

    @property
    def counters(self) -> Counters: ...

    @property
    def notices(self) -> Notices: ...

    @property
    def output_reports(self) -> OutputReports: ...

    @property
    def sizes(self) -> Sizes: ...

    @property
    def people(self) -> People: ...

    @property
    def erasure(self) -> Erasure: ...
