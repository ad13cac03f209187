"""Which addresses a destination sends to: those in its settings, and those of the requests that it would make of samples."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from router.doctor.finding import Finding, Level
from router.doctor.reach import Address, address_of, reach
from router.doctor.subject import Subject
from router.plugin_host import Destination
from router.testing.samples import CALLS, sample_call
from router.trial import SAMPLE_KNOWN, DestinationTrial


def vendor(destination: Destination, subject: Subject) -> Iterator[Finding]:
    """Every address of one destination."""
    found = addresses_of(destination)
    if not found:
        yield Finding("connect", Level.OK, f"{destination.name}: no address to reach")
    for address in found:
        yield from reach(destination.name, address, subject.tls, subject.clock)


def own_addresses(subject: Subject) -> Iterator[Finding]:
    """Where messages about troubles and spans go to, and where clients are told to send to."""
    config = subject.draft.config if subject.draft else None
    if config is None:
        return
    named = (
        ("notify.url", config.notify.url),
        ("server.public_url", config.server.public_url),
        ("tracing.endpoint", config.tracing.endpoint),
    )
    for name, url in named:
        if url and (address := address_of(url)):
            yield from reach(name, address, subject.tls, subject.clock)


def addresses_of(destination: Destination) -> list[Address]:
    """Without sending anything. In order, each once."""
    urls = [*_texts(destination.settings), *asyncio.run(_requested(destination))]
    found = (address_of(url) for url in urls)
    return list(dict.fromkeys(address for address in found if address))


def _texts(value: Any) -> Iterator[str]:
    """The texts in settings, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from (text for _, inner in value for text in _texts(inner))
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))


async def _requested(destination: Destination) -> list[str]:
    """The URLs of the requests for a sample of each call type. Secrets in them are masked."""
    trial = DestinationTrial(dataclasses.replace(destination, consent=None), SAMPLE_KNOWN)
    source = next((name for name in destination.config.sources if name != "*"), "website")
    told = [await trial.run(sample_call(type, source)) for type in CALLS]
    return [str(request.get("url", "")) for one in told for request in one["requests"]]
