"""What looks personal in a call, by the names of keys and the shapes of values. Pure; no value leaves this package.

`names` has the list of names, `shapes` recognises values, `tally` counts both over many calls. `mask` hides what people see in passing.
"""

from router.personal_data.tally import MAX_FOUND, Found, Tally

__all__ = ["MAX_FOUND", "Found", "Tally"]
