"""What `[destination.settings]` of a postgres destination may hold."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from router.plugin import Field, SecretStr, Settings

NOT_THERE = "missing-dsn"
"""What the router puts in place of a secret that is not set; it does so only where nothing is sent."""
MAX_NAME = 63
"""Bytes of an identifier, from PostgreSQL's NAMEDATALEN."""
MAX_COLUMNS = 1_500
"""Columns of a table. PostgreSQL has 1,600, and counts those that were dropped."""
MAX_TABLES = 5_000
"""Tables for events in a schema, and tables whose columns are remembered at a time."""


class PostgresSettings(Settings):
    """Settings of a postgres destination."""

    dsn: SecretStr = Field(
        title="Connection",
        json_schema_extra={"where": "postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require"},
        description="The address of the database with user and password, as libpq writes it.",
    )
    schema_name: str = Field(
        title="Schema",
        json_schema_extra={"where": "Choose one, or leave it empty for one schema per source, as Segment does."},
        default="",
        description="The schema of all tables. Empty: a schema for each source, of its name.",
    )
    connections: int = Field(
        title="Connections",
        default=4,
        ge=1,
        le=50,
        description="Connections at a time, and batches written at a time.",
    )
    max_tables: int = Field(
        title="Tables for events",
        default=1_000,
        ge=0,
        le=MAX_TABLES,
        description="Tables that are made for names of events, in one schema. Events of further names are put into other_events.",
    )
    max_columns: int = Field(
        title="Columns of a table",
        default=MAX_COLUMNS,
        ge=50,
        le=MAX_COLUMNS,
        description="Columns that a table gets. What has no column is put into its column overflow.",
    )
    statement_timeout_s: float = Field(
        title="Longest statement, in seconds",
        default=20.0,
        gt=0,
        le=600,
        description="How long a statement may run, or wait for a lock, before its batch is retried.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what could never be used. Raises ValueError with the words the operator reads."""
        if self.dsn.get_secret_value() != NOT_THERE:
            _check_dsn(self.dsn.get_secret_value())
        name = self.schema_name
        if name and (not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or len(name) > MAX_NAME or is_system(name)):
            raise ValueError(
                "schema_name: write a name of a-z, 0-9 and _ that does not begin with a digit or pg_ and is not information_schema"
            )


def is_system(schema: str) -> bool:
    """Whether PostgreSQL keeps this name of a schema to itself."""
    return schema.startswith("pg_") or schema == "information_schema"


def _check_dsn(dsn: str) -> None:
    try:
        parts = urlsplit(dsn)
        usable = parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1 and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("dsn: write an address such as postgresql://user:password@host:5432/database")
