"""segment-router: a Segment-compatible event router that stores, holds and delivers."""

__version__ = "0.3.0.dev0"
