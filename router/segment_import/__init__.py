"""A Segment workspace as config.toml: sources, destinations, filters and tracking plans, and in words what has no counterpart here.

    workspace = read_workspace([Path("export")])
    imported = convert(workspace, offers(None), new_key)

workspace.py   what is read of a workspace, the same for every form
files.py       the files of an export: which they are, and which form each has
public_api.py  answers of Segment's Public API
terraform.py   `terraform show -json`, and a state file
hcl.py         Terraform's own language, as Segment's Git sync writes it
resources.py   one resource of any form, as part of a workspace
names.py       names that config.toml allows
tools.py       which plugin a destination of Segment is
settings.py    the settings of a destination, as its plugin has them
filters.py     destination filters
plans.py       tracking plans, and what becomes of violations
sources.py     sources
destinations.py destinations, the same tool at several sources as one
result.py      what an import comes to, while it is made
pages.py       lines of config.toml
convert.py     the whole: config.toml, files of plans and secrets, and what was not carried over
writing.py     that as files in a folder
"""

from router.segment_import.convert import Imported, convert
from router.segment_import.files import BadExport, read_workspace
from router.segment_import.workspace import Workspace
from router.segment_import.writing import AlreadyThere, write

__all__ = ["AlreadyThere", "BadExport", "Imported", "Workspace", "convert", "read_workspace", "write"]
