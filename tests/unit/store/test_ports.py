"""The store's ports stay small, so that a second store can implement one after the other."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import pytest

from router.store import ports

PORTS = [
    port
    for _, port in inspect.getmembers(ports, inspect.isclass)
    if port.__module__.startswith(f"{ports.__name__}.") and Protocol in port.__bases__
]


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_has_at_most_ten_methods(port: type[Any]) -> None:
    methods = [name for name, found in vars(port).items() if inspect.isfunction(found) and not name.startswith("_")]
    assert len(methods) <= 10, methods


def test_there_are_ports() -> None:
    assert len(PORTS) > 10
