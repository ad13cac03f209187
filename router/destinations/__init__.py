"""Destinations: finds the plugins that config.toml names, checks them, and builds one Destination per table.

    config, destinations = read(Path("config.toml"))
    destinations[0].hooks["track"](event, context)

A plugin's fault, or a setting it refuses, is a problem of the file: it is told together with all others.
"""

from router.destinations.assemble import Destination, build, build_one, read
from router.destinations.contract import HOOKS, MAPPING_HOOKS
from router.destinations.discover import Found, available, find
from router.destinations.redact import Redactor
from router.destinations.show import preview

__all__ = [
    "HOOKS",
    "MAPPING_HOOKS",
    "Destination",
    "Found",
    "Redactor",
    "available",
    "build",
    "build_one",
    "find",
    "preview",
    "read",
]
