"""Every config.toml that a test loads with success must be taken by the JSON Schema, too. `tests/conftest.py` sees to it.

The settings of plugins are any here; `tests/unit/editing/test_config_schema.py` looks at those.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import jsonschema_rs

from router.editing.catalogue import Offer
from router.editing.config_schema import config_schema


@cache
def validator() -> Any:
    return jsonschema_rs.validator_for(config_schema([Offer("any", "", "", (), None)]))


def assert_taken(text: str) -> None:
    """The schema takes this valid config.toml."""
    raw = tomllib.loads(text)
    for table in raw.get("destination", []):
        table["plugin"] = "any"
    faults = [f"{error.instance_path}: {error.message}" for error in validator().iter_errors(raw)]
    assert not faults, f"the schema refuses a valid config.toml: {faults}\n{text}"
