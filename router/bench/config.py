"""The config.toml of the daemon under test, and the destinations in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from router.bench.workload import SOURCE, WRITE_KEY

STORE = "sqlite:router.db"


class Receiver(msgspec.Struct, frozen=True):
    """A webhook destination of the daemon: how the sink answers it (ok, slow, fail; the vendor of `live` also hang, limit)."""

    name: str
    manner: str = "ok"
    batch: int = 100  #: events in a POST
    gated: bool = False  #: holds events whose group has no name yet


def receivers(n: int, batch: int = 100) -> tuple[Receiver, ...]:
    """So many healthy ones."""
    return tuple(Receiver(f"to-{number}", batch=batch) for number in range(1, n + 1))


def write_config(
    folder: Path,
    receivers: Sequence[Receiver] = (),
    sink_port: int = 0,
    ports: Sequence[int] = (0, 0),
    decisions: str = "all",
    sample: float = 0.0,
    url: str = STORE,
    node: str = "",
) -> Path:
    """A config.toml with one source and these destinations, everything else as shipped. `node`: its name among several."""
    lines = [
        f'[server]\nlisten = "127.0.0.1:{ports[0]}"\n[admin]\nlisten = "127.0.0.1:{ports[1]}"',
        f'[store]\nurl = "{url}"',
        f'[log]\nformat = "json"\ndecisions = "{decisions}"',
        f'[[source]]\nname = "{SOURCE}"\nwrite_key = "{WRITE_KEY}"',
    ]
    if url == STORE:
        lines.insert(2, 'min_free = "64MB"')
    if node:
        lines.append(f'[cluster]\nnode = "{node}"')
    if sample:
        lines.append(f'[tracing]\nendpoint = "http://127.0.0.1:{sink_port}"\nsample = {sample}')
    for r in receivers:
        url = f"http://127.0.0.1:{sink_port}/{r.manner}/{r.name}"
        lines += [
            f'[[destination]]\nname = "{r.name}"\nplugin = "webhook"\nmode = "live"',
            f'[destination.settings]\nurl = "{url}"\nbatch = {r.batch}',
        ]
        if r.gated:
            lines.append('[destination.hold]\nrequire = ["group.id", "group.name"]')
    path = folder / "config.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
