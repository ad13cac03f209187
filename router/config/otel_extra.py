"""Whether what the extra `otel` installs is there. Nothing of it is imported for that."""

from __future__ import annotations

from importlib.util import find_spec

from router.extras import pip_install

INSTALL_OTEL = (
    f"traces need OpenTelemetry, which is not installed; install it with `{pip_install('otel')}`,"
    ' or write endpoint = ""'
)
NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def is_otel_installed() -> bool:
    """Whether traces can be made and exported."""
    try:
        return all(find_spec(name) is not None for name in NEEDED)
    except ModuleNotFoundError:  # the package above it is missing, too
        return False
