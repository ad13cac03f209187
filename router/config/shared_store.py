"""What a database as the store needs, and what means nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from router.config.model import ConfigWarning, StoreConfig
from router.config.store_url import INSTALL_POSTGRES, is_asyncpg_installed

OF_A_FILE = {
    "backup_max_age_s": ("store.backup_max_age", "backups of a database are its own affair (pg_dump)"),
    "min_free_bytes": ("store.min_free", "the disk is the database's"),
}
"""Keys that are about a file, and why they mean nothing with a database."""


def shared_store_problems() -> Iterator[str]:
    """What keeps the daemon from running with this configuration."""
    if not is_asyncpg_installed():
        yield f"store.url: {INSTALL_POSTGRES}"


def shared_store_warnings(store: StoreConfig) -> Iterator[ConfigWarning]:
    """Keys that were written and mean nothing."""
    for attribute, (key, why) in OF_A_FILE.items():
        if attribute in store.model_fields_set:
            yield ConfigWarning("", key, f"means nothing with a database: {why}; leave it out")
