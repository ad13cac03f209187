"""Which plugin a destination of Segment is: by what Segment calls the tool, or by its id in Segment's catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.editing.catalogue import Offer
from router.segment_import.workspace import Destination

CATALOG: Mapping[str, str] = {
    "55677dfd0a20f4e22f0fb39a": "ClientSuccess",
    "60f9d0d048950c356be2e4da": "Braze Cloud Mode (Actions)",
    "614a3c7d791c91c41bae7599": "Webhooks (Actions)",
}
"""Names of tools by their id, which is all that Git sync writes. Source: the pages of the catalog in github.com/segmentio/segment-docs."""


def tool_of(destination: Destination) -> str:
    """What people call the tool; empty if only an id is known that is not in CATALOG."""
    return destination.tool[0] if destination.tool else CATALOG.get(destination.catalog_id, "")


def plugin_for(destination: Destination, offers: Sequence[Offer]) -> Offer | None:
    """The plugin of this tool; None where there is none that can be used."""
    names = {_plain(name) for name in (*destination.tool, CATALOG.get(destination.catalog_id, "")) if name}
    for offer in offers:
        if offer.model is not None and names & {_plain(name) for name in (offer.name, *offer.names)}:
            return offer
    return None


def _plain(name: str) -> str:
    """A name and its slug are alike: `Braze Cloud Mode (Actions)`, `actions-braze-cloud`."""
    words = "".join(char if char.isalnum() else " " for char in name.lower()).split()
    return " ".join(sorted(word for word in words if word not in ("mode", "destination", "classic")))
