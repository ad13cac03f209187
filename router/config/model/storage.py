"""`[store]` and `[cluster]`: where events are kept, and who shares that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr

from router.config.model.values import DAY_S, StoreUrl
from router.config.section import Section
from router.config.store_url import is_database, shown_url
from router.config.units import Bytes, OptionalSeconds, Seconds


class StoreConfig(Section):
    """`[store]`: where events are kept, and how long."""

    _state_dir: Path = PrivateAttr(default=Path())
    url: StoreUrl = Field(
        default="sqlite:var/router.db",
        validate_default=True,
        repr=False,
        description="A file of SQLite: `sqlite:` and a path. Or a database of PostgreSQL, text or a secret, which needs the extra"
        " `postgres`. See [cluster](cluster/README.md).",
        examples=["sqlite:/data/router.db", {"file": "secrets/store_url"}],
    )
    retention_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=7 * DAY_S,
        alias="retention",
        description="How long settled events are kept for `why` and `replay`. Unread, held and dead events are kept longer.",
        examples=["30d"],
    )
    dedupe_window_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=DAY_S,
        alias="dedupe_window",
        description="A message id that arrives again within this time is a duplicate. At most `retention`.",
        examples=["72h"],
    )
    min_free_bytes: Bytes = Field(
        default=512_000_000,
        alias="min_free",
        description="When less disk space than this is free, events are answered 503. It is reserved for commits.",
        examples=["2GB"],
    )
    backup_max_age_s: OptionalSeconds = Field(
        default=0.0,
        alias="backup_max_age",
        description="Without a backup that is this young, `status` and `/healthz` report a problem. Empty: never.",
        examples=["26h"],
    )

    is_replicated: bool = Field(
        default=False,
        alias="replicated",
        description="Of a database: another machine has what it acknowledges, though it names no synchronous standby, since its disks are"
        " replicated. Then nothing warns of that.",
        examples=[True],
    )

    def model_post_init(self, context: Any) -> None:
        """Remember where this node keeps files of its own."""
        self._state_dir = context["state_dir"] if context else Path()

    @property
    def is_database(self) -> bool:
        """Whether it is a database, which several nodes may use."""
        return is_database(self.url)

    @property
    def path(self) -> Path:
        """The file of an `sqlite:` url, else the place beside which this node keeps files of its own. Absolute in a loaded Config."""
        return self._state_dir / "var/node" if self.is_database else Path(self.url.removeprefix("sqlite:"))

    @property
    def shown(self) -> str:
        """Where events are, without any secret: the path of the file, or the address of the database."""
        return shown_url(self.url) if self.is_database else str(self.path)


class ClusterConfig(Section):
    """`[cluster]`: this node among those that use one database."""

    node: str = Field(
        default="",
        max_length=64,
        description="What people call this node. Empty: the name of the machine.",
        examples=["router-a"],
    )
    lease_s: Annotated[Seconds, Field(ge=3)] = Field(
        default=15.0,
        alias="lease",
        description="So long after its last sign of life a node is taken for dead, and others deliver what it delivered. Longer for a"
        " destination with a long `timeout`. At least `3s`.",
        examples=["10s"],
    )
