"""What a database as the store needs, and what means nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from router.config.model import ConfigWarning, DeliveryConfig, StoreConfig
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


def shards_problems(delivery: DeliveryConfig, *, is_database: bool) -> Iterator[str]:
    """What of the number of shards cannot be."""
    if delivery.shards == 1:
        return
    if delivery.shards & (delivery.shards - 1):
        yield f"shards: {delivery.shards} is no power of two; write 1, 2, 4, 8, 16, 32 or 64"
    elif not is_database:
        yield "shards: only with a database as the store (store.url), since one process has a file; leave it out"
    elif delivery.concurrency < delivery.shards:
        yield f"concurrency: {delivery.concurrency} requests are too few for {delivery.shards} shards; allow one for each at least"


def shared_store_warnings(store: StoreConfig) -> Iterator[ConfigWarning]:
    """Keys that were written and mean nothing."""
    for attribute, (key, why) in OF_A_FILE.items():
        if attribute in store.model_fields_set:
            yield ConfigWarning("", key, f"means nothing with a database: {why}; leave it out")
