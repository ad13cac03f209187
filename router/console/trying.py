"""The button Test of a form: the plugin's check with the settings that the form has. Nothing is stored, and no event is sent."""

from __future__ import annotations

from collections.abc import Mapping

from router.console.console import Console
from router.console.edit_form import DestinationForm, by_field, place_of_form, read_back
from router.errors import CommandRefused, ConfigError
from router.explain import trial_phrases
from router.personal_data.mask import words_masked
from router.trial.credential_check import check_proposal

LIMIT_S = 60.0
"""How long a test may take."""


async def try_credentials(
    console: Console, form: DestinationForm, given: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """What the test says, in lines; and what is wrong with fields, by their names."""
    submitted, proposal = read_back(console, form, given)
    if proposal is None:
        return ["not made: a field is wrong"], submitted.errors
    path, name = console.daemon.config.path, form.table["name"]
    try:
        found = await console.daemon.plugin_threads.run("trial", lambda: check_proposal(path, name, proposal), LIMIT_S)
    except ConfigError as error:
        errors, rest = by_field(error.problems, place_of_form(form), form.fields)
        return ["not made: a field is wrong", *rest], errors
    except CommandRefused as error:  # what was typed stays in the form
        return [f"not made: {error}"], {}
    except TimeoutError:
        return [f"not made: it took longer than {LIMIT_S:g} s"], {}
    shown = found._replace(detail=words_masked(found.detail, console.settings.mask))
    return trial_phrases.checked(*shown), {}
