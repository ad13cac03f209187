"""What of a configuration must be the same at all nodes, as short hashes that nodes compare. No secret is in them: a key may be changed node by node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from router.config import Config
from router.editing.key_values import key_values
from router.plugin_host import Destination

SHARED = ("privacy", "consent")
"""Tables that there are once. What else there is once is a node's own: where it listens, its log, its name."""
HEX_DIGITS = 16


def fingerprints(config: Config, destinations: Iterable[Destination]) -> Mapping[str, str]:
    """By subject (`destination crm`, `source website`, `privacy`) the hash of its keys; of a destination also of the version of its plugin."""
    found: dict[str, list[object]] = {}
    made = list(destinations)
    for one in key_values(config, made):
        kind, _, rest = one.key.partition(".")
        name = rest.partition(".")[0]
        if kind in ("destination", "source"):
            found.setdefault(f"{kind} {name}", []).append((one.key, one.value))
        elif kind in SHARED:
            found.setdefault(kind, []).append((one.key, one.value))
    for destination in made:
        found.setdefault(f"destination {destination.name}", []).append(destination.plugin_version)
    return {subject: _hash(values) for subject, values in found.items()}


def _hash(values: list[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(values, enc_hook=str)).hexdigest()[:HEX_DIGITS]
