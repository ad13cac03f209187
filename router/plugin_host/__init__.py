"""Destinations: finds the plugins that config.toml names, checks them, and builds one Destination per table.

    config, destinations = read(Path("config.toml"))
    destinations[0].hooks["track"](event, context)

A plugin's fault, or a setting it refuses, is a problem of the file. All problems are reported together.

discovery     by name to a class: `installed` lists all, `apart` and `child` do it in a process of its own
validation    whether a class can be used; `contract_check` says it check by check, `hook_binding` makes its hooks plain functions
factory       a table of config.toml to a `destination`; with it `deprecated_settings`, `gate_warnings`, `split_rules`, `shards`
event_filter  what an event has to pass, `kept_back` says afterwards what kept it; then `event_mapping` with `value_rules` and `json_tree`
lifetime      a plugin's own; `time_budgets` has what code of plugins may take, `hook_watch` notices what holds the loop, by the help of
              `processor_wait` and `whose_code`; `plugin_threads` runs what somebody asks for, `interruption` ends it, `interrupts` tells Ctrl-C apart
item_checks   what a hook returns; `outcome_checks` is for outcomes, `fault_place` and `shortening` word what was raised
redaction     secrets out of what is shown or stored: which those are (`settings_secrets`, `secret_fields`, `secret_types`), their forms and parts
preview       what people see of requests; `exchange` shows those that were sent, `shown_settings` the settings, `printed` what a plugin prints
"""

from router.plugin_host.contract_check import FAILED, NOT_CHECKED, OK, FormResult, check_form, with_stand_ins
from router.plugin_host.destination import Destination, with_new_instance
from router.plugin_host.discovery import Found, available, find
from router.plugin_host.event_filter import EventFilter, Stopped, compile_filter
from router.plugin_host.exchange import shortened, shortened_answer, shown_answer, shown_request
from router.plugin_host.factory import build, build_around, build_one, read, rebuilt
from router.plugin_host.installed import Installed, installed
from router.plugin_host.kept_back import (
    KEEPING_BACK,
    Conditions,
    add_details,
    compile_conditions,
    compile_consent,
    is_asked_for,
)
from router.plugin_host.preview import preview, shown_items
from router.plugin_host.redaction import Redactor
from router.plugin_host.validation import HOOKS, MAPPING_HOOKS, check_class

__all__ = [
    "FAILED",
    "HOOKS",
    "KEEPING_BACK",
    "MAPPING_HOOKS",
    "NOT_CHECKED",
    "OK",
    "Conditions",
    "Destination",
    "EventFilter",
    "FormResult",
    "Found",
    "Installed",
    "Redactor",
    "Stopped",
    "add_details",
    "available",
    "build",
    "build_around",
    "build_one",
    "check_class",
    "check_form",
    "compile_conditions",
    "compile_consent",
    "compile_filter",
    "find",
    "installed",
    "is_asked_for",
    "preview",
    "read",
    "rebuilt",
    "shortened",
    "shortened_answer",
    "shown_answer",
    "shown_items",
    "shown_request",
    "with_new_instance",
    "with_stand_ins",
]
