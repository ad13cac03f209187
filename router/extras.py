"""The command that installs an extra. It names packages: `segment-router` itself is on no package index."""

from __future__ import annotations

import shlex
import sys

PACKAGES = {
    "otel": ("opentelemetry-exporter-otlp-proto-http>=1.45,<2", "opentelemetry-sdk>=1.45,<2"),
    "plans": ("jsonschema-rs>=0.60.3,<0.61",),
    "postgres": ("asyncpg>=0.31,<1",),
    "report": ("pillow>=12",),
    "terraform": ("python-hcl2>=8.1,<9",),
}
"""As pyproject.toml has them."""


def pip_install(extra: str) -> str:
    """The command as it is typed, for the environment that this process runs in."""
    return shlex.join([sys.executable, "-m", "pip", "install", *PACKAGES[extra]])
