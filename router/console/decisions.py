"""What a destination asks of an event: for the steps of its decision."""

from __future__ import annotations

from router.explain.steps import Asked
from router.plugin import Group, UserId
from router.plugin_host import Destination


def asked_by(destination: Destination, type: str, *, has_plan: bool) -> Asked:
    """What this destination asks of events of this type, as it is configured. `has_plan`: their source has a tracking plan."""
    needs = destination.requires.get(type, ())
    drops_names = destination.mapping is not None and bool(destination.config.mapping.event_names)
    return Asked(
        plan=has_plan,
        consent=destination.consent is not None,
        filter=destination.filter is not None or drops_names,
        user=any(isinstance(need, UserId) for need in needs),
        gate=[trait for need in needs if isinstance(need, Group) for trait in need.needs],
    )
